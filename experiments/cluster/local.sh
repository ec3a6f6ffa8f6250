#!/bin/sh
# A Dask cluster on this machine: a scheduler and two workers. Needs pip install 'jnst[cluster]'.
#   sh local.sh plan.toml sweep
set -eu
port=${PORT:-8786}
started=
trap 'kill $started 2>/dev/null || true' EXIT
dask scheduler --host 127.0.0.1 --port "$port" --no-dashboard 2>scheduler.log &
started=$!
for number in 1 2; do
    dask worker "tcp://127.0.0.1:$port" --nworkers 1 --nthreads 1 --no-dashboard 2>"worker-$number.log" &
    started="$! $started"
done
jnst sweep "$1" -o "$2" --executor "dask://127.0.0.1:$port"
