"""A scheduler's warning within an epoch: the step is finished, the state saved, and the job queued again."""

from __future__ import annotations

import os
import signal

import pytest

from phaselearn.callbacks import requeue
from phaselearn.callbacks.requeue import Requeued, warnings_of_schedulers
from tests.data.loading.test_resume import Rows, train


def warn(self, trainer, module, optimizer):
    """Send the warning within the third step."""
    if trainer.global_step == 2:
        os.kill(os.getpid(), signal.SIGUSR2)


def test_submitit_queues_the_job_again_when_the_step_is_saved(tiny_store, tmp_path, monkeypatch):
    weights, seen, _ = train(tmp_path / "whole", tiny_store)
    last = tmp_path / "stopped" / "last.ckpt"
    saved = []

    def as_submitit(number, frame):
        saved.append(last.exists())
        raise SystemExit(144)

    before = signal.signal(signal.SIGUSR2, as_submitit)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(Rows, "on_before_optimizer_step", warn)
            train(tmp_path / "stopped", tiny_store, stop_after=len(seen) + 1)
        assert signal.getsignal(signal.SIGUSR2) is as_submitit
        with pytest.raises(Requeued) as left:
            warnings_of_schedulers()[signal.SIGUSR2]()
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert left.value.code == 144  # by which submitit tells that the job goes on
    assert saved == [True, True]
    resumed, after, _ = train(tmp_path / "stopped", tiny_store, resume=True)
    assert after == seen[3:]
    assert all((resumed[name] == weights[name]).all() for name in weights)


def test_within_slurm_alone_the_job_is_queued_again_by_one_process(monkeypatch):
    asked = []
    monkeypatch.setattr(requeue.subprocess, "run", lambda command, check: asked.append(command))
    assert warnings_of_schedulers() == {}
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "11")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    [(number, queue)] = warnings_of_schedulers().items()
    assert number == signal.SIGUSR1
    for process in ("0", "1"):
        monkeypatch.setenv("SLURM_PROCID", process)
        with pytest.raises(Requeued):
            queue()
    assert asked == [["scontrol", "requeue", "11_3"]]
