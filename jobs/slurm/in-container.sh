#!/bin/sh
# Runs a rank inside a container: launch: {wrapper: [/absolute/path/of/in-container.sh, image.sif]}. Words that follow are
# the rank's command on the host; its first, the host's Python, is replaced by the image's, where SAIH must be installed.
image=$1
shift 2
exec apptainer exec --nv --bind "$PWD" "$image" python3 "$@"
