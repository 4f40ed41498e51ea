"""A scheduler's warning that a job's time is over: how the job is queued again once its state is saved."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from functools import partial


class Requeued(SystemExit):
    """The job leaves and the scheduler will start it again."""


def warnings_of_schedulers() -> dict[int, Callable[[], None]]:
    """Return {signal: what queues the job again}.

    A launcher such as submitit has its own way, a handler of SIGUSR2 or SIGUSR1. Within SLURM alone SIGUSR1
    (`sbatch --signal=USR1@120`) asks SLURM to start the job again.
    """
    handlers = {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGUSR2)}
    found = {number: partial(_leave_by, handler, number) for number, handler in handlers.items() if callable(handler)}
    if not found and "SLURM_JOB_ID" in os.environ:
        found[signal.SIGUSR1] = _requeue_in_slurm
    return found


def _leave_by(handler: Callable[[int, object], object], number: int) -> None:
    try:
        handler(number, None)
    except SystemExit as left:
        raise Requeued(left.code) from None
    raise Requeued(0)  # of several processes one queues the job


def _requeue_in_slurm() -> None:
    array, job = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ["SLURM_JOB_ID"]
    if array is not None:
        job = f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    if os.environ.get("SLURM_PROCID", "0") == "0":
        subprocess.run(["scontrol", "requeue", job], check=True)
    raise Requeued(0)
