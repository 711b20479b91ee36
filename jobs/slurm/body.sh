# What every job does. `saih submit` puts before it the options and: saih_set_up (the site's lines), saih (the command),
# config, most_requeues, and saih_folder, which sets `out` once the site's variables are known.
#
# Slurm sends USR1 some time before the limit, to this shell alone. bash runs a trap only between commands, so the
# driver runs in the background, and `wait` returns early when a signal has come.
set +eu
set +o pipefail
unset IFS
warned=no driver= signals=0
stop() {
  signals=$((signals + 1))
  [ -z "$driver" ] || kill -s "$1" "$driver" 2>/dev/null
}
trap 'warned=yes; stop USR1' USR1
trap 'stop TERM' TERM

# saih_checked module load <name>: ends the job where the module is not there. Not every `module` tells by its status:
# some only say so, some say nothing and have loaded nothing.
saih_checked() {
  saih_said=$("$@" 2>&1) || saih_missing "$3" # a trial in a shell of its own, for its words
  case $saih_said in
    *"etected the following error"* | *"nable to locate a modulefile"* | *"module(s) are unknown"* | *:ERROR:*)
      saih_missing "$3"
      ;;
  esac
  saih_before=${LOADEDMODULES-}
  "$@" || saih_missing "$3"
  case $3:${LOADEDMODULES-}: in
    -* | *":$3:"* | *":$3/"*) return ;; # a name that begins with - is unloaded
  esac
  [ "${LOADEDMODULES-}" = "$saih_before" ] || return 0
  saih_said=$("$1" is-loaded "$3" 2>&1) && [ -z "$saih_said" ] && return
  if [ -n "${LOADEDMODULES-}" ] || [ -z "$saih_said" ]; then # otherwise this `module` does not know the question
    saih_missing "$3"
  fi
}
saih_missing() {
  echo "saih: module $1 cannot be loaded: ${saih_said:-nothing was said, and it is not among the loaded ones}" >&2
  exit 2
}

# The site's lines and then the sweep, in a shell of their own: options, traps, functions and a directory end with it,
# and so does a line that says exit. A word in a pipe tells that the sweep was reached.
declare -F saih_folder >/dev/null || saih_folder() { :; }
readonly -a saih_sweep=("${saih[@]}" sweep "$config")
readonly saih_directory=$PWD
exec {saih_reached}<> <(:)
(
  saih_lines=
  eval "${saih_set_up-}
saih_lines=done"
  builtin trap - EXIT ERR DEBUG RETURN HUP INT TERM USR1 USR2
  builtin set +eux
  builtin set +o pipefail
  if [ "$saih_lines" != done ]; then
    echo "saih: the site's set-up is no complete bash: a quote or a bracket is open, or a word is missing" >&2
    exit 2
  fi
  builtin cd -- "$saih_directory" || exit 2
  saih_folder
  echo reached >&"$saih_reached"
  builtin exec "${saih_sweep[@]}" --out "$out" {saih_reached}>&-
) &
driver=$!
[ "$signals" = 0 ] || kill "$driver" # one came before there was a driver
while :; do
  before=$signals
  wait "$driver"
  status=$?
  [ "$signals" != "$before" ] || break # otherwise it was the signal that ended the wait
done

if ! read -r -t 0 -u "$saih_reached"; then
  echo "saih: the site's set-up ended with exit status $status before the sweep began" >&2
  [ "$status" != 0 ] || status=2
  [ "$warned" = no ] || status=75 # it was the time limit that ended it
elif [ "$warned" = yes ] && [ "$status" = $((128 + $(kill -l USR1))) ]; then
  status=75 # the warning came before the sweep could listen
fi

# 75: the sweep ended in order with points left. Only time running out is a reason to come back; a cancelled job is not.
restarts=${SLURM_RESTART_COUNT:-0}
if [ "$status" = 75 ] && [ "$warned" = yes ]; then
  if [ "$restarts" -lt "$most_requeues" ]; then
    echo "time is running out: requeued (restart $((restarts + 1)) of at most $most_requeues)"
    # the array's number is also that of one of its tasks, but to Slurm's commands it means all of them
    job=$SLURM_JOB_ID
    [ "$job" != "${SLURM_ARRAY_JOB_ID:-}" ] || job=${job}_$SLURM_ARRAY_TASK_ID
    scontrol requeue "$job"
    sleep 60 # until Slurm ends this script, whose exit status would otherwise be the job's
  else
    echo "time is running out, and the job was requeued $restarts times: submit it again to go on" >&2
  fi
fi
exit "$status"
