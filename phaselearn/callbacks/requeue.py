"""A scheduler's warnings that a job's time is nearly over, and how the job is queued again."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from functools import partial
from types import FrameType


class Requeued(SystemExit):
    """The job ends here, and the scheduler will start it again."""


def warnings_of_schedulers() -> dict[int, Callable[[], None]]:
    """Return the signals that are warnings, each with the function that queues the job again.

    If a launcher such as submitit has its own handler for SIGUSR2 or SIGUSR1, that handler is called. In a SLURM job
    without such a handler, SIGUSR1 (`sbatch --signal=USR1@120`) makes SLURM start the job again.
    """
    found: dict[int, Callable[[], None]] = {}
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        handler = signal.getsignal(number)
        if callable(handler):
            found[number] = partial(_leave_by, handler, number)
    if not found and "SLURM_JOB_ID" in os.environ:
        found[signal.SIGUSR1] = _requeue_in_slurm
    return found


def _leave_by(handler: Callable[[int, FrameType | None], object], number: int) -> None:
    try:
        handler(number, None)
    except SystemExit as left:
        raise Requeued(left.code) from None
    raise Requeued(0)  # another process of this job queues it


def _requeue_in_slurm() -> None:
    array, job = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ["SLURM_JOB_ID"]
    if array is not None:
        job = f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    if os.environ.get("SLURM_PROCID", "0") == "0":
        subprocess.run(["scontrol", "requeue", job], check=True)
    raise Requeued(0)
