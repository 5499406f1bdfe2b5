#!/bin/bash
# Trains on several nodes of a Slurm cluster, a process for each GPU: sbatch scripts/slurm.sh
# docs/clusters.md says what has to be shared between the nodes.
#SBATCH --job-name=r1jax
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=12
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@600  # To this script, ten minutes before the end of its time.
#SBATCH --requeue
#SBATCH --output=%x-%j.txt

set -euo pipefail

export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK  # Since 22.05 srun has no other way to know.

CONFIG=${CONFIG:-configs/zero.py}
WORKDIR=${WORKDIR:-$SLURM_SUBMIT_DIR/runs/$SLURM_JOB_NAME}

# When the time is up, the step in hand is finished and saved.
time_is_up=
trap 'time_is_up=yes; scancel --signal=TERM "$SLURM_JOB_ID"' USR1

srun --kill-on-bad-exit=1 python -m r1jax.main \
  --config="$CONFIG" \
  --workdir="$WORKDIR" \
  --coordinator=auto \
  --config.mesh.fsdp=8 \
  --config.rl.settings.prompts_per_step=64 \
  "$@" &
step=$!
while kill -0 "$step" 2>/dev/null; do
  wait "$step" || true  # A signal ends the wait, too.
done
status=0
wait "$step" || status=$?  # The shell remembers.

# The same job goes on from there; but not after a fault, for which srun ends the others by TERM.
if [[ $time_is_up && $status == 143 ]]; then
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
