#!/bin/bash
# Trains on all hosts of a TPU slice: scripts/tpu_vm.sh NAME ZONE [flags of r1jax.main], such as
# --config.rl.settings.prompts_per_step=64, a multiple of the devices and microbatches.
# docs/clusters.md says what has to be shared between the hosts.

set -euo pipefail

NAME=$1
ZONE=$2
shift 2
CONFIG=${CONFIG:-configs/zero.py}
CODE=${CODE:-/mnt/shared/r1jax}       # A checkout, on a file system that all hosts mount.
WORKDIR=${WORKDIR:-/mnt/shared/runs/r1_zero}

FLAGS=''
if (($#)); then
  FLAGS=$(printf ' %q' "$@")
fi
COMMAND="cd '$CODE' && python3 -m r1jax.main --config='$CONFIG' --workdir='$WORKDIR' \
  --coordinator=auto$FLAGS"

gcloud compute tpus tpu-vm ssh "$NAME" --zone="$ZONE" --worker=all --command="$COMMAND"
