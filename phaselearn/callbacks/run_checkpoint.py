"""A checkpoint of a run folder, which may be moved, copied or reached by a link before the run is resumed."""

from __future__ import annotations

from typing import Any

from pytorch_lightning.callbacks import ModelCheckpoint

_PATHS = ("best_model_path", "kth_best_model_path", "last_model_path")


class RunCheckpoint(ModelCheckpoint):
    """Lightning's `ModelCheckpoint`, which remembers its best score where the folder has another name than before.

    Lightning forgets the score then, and the next validation replaces the best weights by worse ones.
    """

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the state of an earlier run, its files as those of the folder of this one."""
        here, there = str(self.dirpath or ""), str(state_dict.get("dirpath") or "")
        if here and there and here != there:
            moved = {name: str(state_dict.get(name, "")).replace(there, here, 1) for name in _PATHS}
            best = {path.replace(there, here, 1): score for path, score in state_dict.get("best_k_models", {}).items()}
            state_dict = {**state_dict, **moved, "best_k_models": best, "dirpath": here}
        super().load_state_dict(state_dict)
