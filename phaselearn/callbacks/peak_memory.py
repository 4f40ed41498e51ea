"""The peak memory of training, which limited the report's 3D U-Net to 150 structures."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import pytorch_lightning as pl


def peak_memory() -> float:
    """Return the peak resident memory of this process so far, in MiB.

    On Linux this is VmHWM. The kernel's other figure, ru_maxrss, is inherited from the process that started this one.
    """
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        unit = 2**20 if sys.platform == "darwin" else 2**10  # macOS counts bytes, others KiB
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    return int(status.split("VmHWM:")[1].split()[0]) / 2**10


class PeakMemory(pl.Callback):
    """Logs `train/peak_memory` in MiB at the end of each training epoch, including its validation."""

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the peak memory, the largest if there are several processes."""
        pl_module.log("train/peak_memory", peak_memory(), sync_dist=True, reduce_fx="max")
