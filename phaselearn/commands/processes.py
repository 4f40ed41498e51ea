"""Processes that train together: they start, share a run folder, and separate."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from phaselearn.commands.plain_config import plain_values
from phaselearn.errors import UserError

if TYPE_CHECKING:
    from omegaconf import DictConfig

# Lightning sets these for the processes that it starts, and would misread them in the next job of a multirun.
_VARIABLES = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE")


def check_started(arguments: list[str]) -> None:
    """Refuse to train if torchrun or srun has started several processes without one folder for all of them.

    The default name of a run folder holds the time, and the processes do not start at the same time.

    Raises:
        UserError: neither `run=` nor `resume=` is given, or this is a multirun.
    """
    processes = max(int(os.environ.get(name, "1")) for name in ("WORLD_SIZE", "SLURM_STEP_NUM_TASKS"))
    keys = {argument.partition("=")[0] for argument in arguments}
    # Lightning gives the folder to the processes that it starts.
    if processes == 1 or "hydra.run.dir" in keys:
        return
    if keys & {"-m", "--multirun"}:
        raise UserError(
            f"{processes} processes were started, and a multirun starts those of each job itself: leave torchrun or "
            "srun out, `phaselearn train -m … trainer=ddp`"
        )
    if not keys & {"run", "resume"}:
        raise UserError(f"{processes} processes were started that need one run folder: add run=outputs/NAME")


def check_processes(trainer: DictConfig) -> None:
    """Refuse to train in more processes than there are cores: on a processor, Lightning starts as many as it is told.

    Raises:
        UserError: `trainer.devices` is not a number of processes that this machine has cores for.
    """
    accelerator, given = trainer.get("accelerator"), plain_values(trainer).get("devices")
    if accelerator not in ("cpu", "auto") or given in (None, "auto", 1) or (accelerator == "auto" and _has_gpu()):
        return

    from phaselearn.data.processes import cores

    count = int(given) if isinstance(given, str) and given.isdecimal() else given
    if not isinstance(count, int) or not 1 <= count <= cores():
        raise UserError(
            f"trainer.devices={given}: on a processor this is the number of processes that train together, from "
            f"1 to {cores()}, one for each core here, e.g. trainer.devices=1"
        )


def _has_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_available() or torch.backends.mps.is_available())


@contextmanager
def together(words: Sequence[str]) -> Iterator[None]:
    """Let this process train together with those that Lightning starts, and separate from them afterwards.

    Lightning starts the others with `sys.argv` and the folder `hydra.run.dir`. By now `sys.argv` holds the arguments
    for Hydra, which do not name a resumed run, and which in a multirun are those of all jobs. So the words that were
    typed for this run stand in `sys.argv` meanwhile. Afterwards the first process judges alone, and may train the next
    job.

    Args:
        words: the arguments that this run was started with, which the other processes need.
    """
    import torch
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode
    from omegaconf import open_dict, read_write

    hydra: Any = HydraConfig.get()  # a configuration, which Hydra gives the type of its schema
    arguments, variables = sys.argv, {name: os.environ.get(name) for name in _VARIABLES}
    # `phaselearn train` is run by a script of another name, which it no longer stands for in `sys.argv`.
    command = ["train"] if arguments[0] == "phaselearn train" else []
    sys.argv = [getattr(sys.modules["__main__"], "__file__", arguments[0]), *command, *words]
    if hydra.mode == RunMode.MULTIRUN:
        with read_write(hydra), open_dict(hydra):
            hydra.run.dir = hydra.runtime.output_dir
    try:
        yield
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.barrier()
            torch.distributed.destroy_process_group()
    finally:
        sys.argv = arguments
        for name, value in variables.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
