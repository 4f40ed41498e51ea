"""Checkpoints that are never half-written, not even on a full disk."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from phaselearn.files import write_whole


class WholeCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint beside the one that it replaces; if there is no room for both, the earlier one is kept.

    Lightning's own class writes to the machine's temporary folder first. If that is on another disk, the copy to
    the run folder can stop half-way.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Write a checkpoint to a path.

        Raises:
            OSError: there is no room; the earlier checkpoint is untouched.
        """
        content = io.BytesIO()
        torch.save(checkpoint, content)
        write_whole(Path(path), content.getbuffer())
