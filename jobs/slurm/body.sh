# What every job does. `saih submit` puts the options, the site's lines and four variables before it:
# saih (the command), config, out, and most_requeues.
#
# Slurm sends USR1 some time before the limit, to this shell alone. bash runs a trap only between commands, so the
# driver runs in the background, and `wait` returns early when a signal has come.
warned=no driver= signals=0
stop() {
  signals=$((signals + 1))
  [ -z "$driver" ] || kill -s "$1" "$driver" 2>/dev/null
}
trap 'warned=yes; stop USR1' USR1
trap 'stop TERM' TERM

"${saih[@]}" sweep "$config" --out "$out" &
driver=$!
[ "$signals" = 0 ] || kill "$driver" # one came before there was a driver
while :; do
  before=$signals
  wait "$driver"
  status=$?
  [ "$signals" != "$before" ] || break # otherwise it was the signal that ended the wait
done

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
