"""Store, report and weights as W&B artifacts, linked by the run that reads the store and writes the others."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from phaselearn.report.results import ResultRow
from phaselearn.tracking.tracker import StoreFacts

if TYPE_CHECKING:
    from wandb import Artifact
    from wandb.sdk.wandb_run import Run

# `phaselearn evaluate run=FOLDER` needs these files.
WEIGHT_FILES = ("best.ckpt", "last.ckpt", "config.yaml", "training_set.json")
REPORT_FILES = ("report.html", "results.csv", "crystals.csv", "metrics.csv", "shown.md")


def use_store(run: Run, store: StoreFacts) -> str:
    """Declare the store as an input of the run, by its manifest and location, without uploading it.

    Stores with the same manifest are the same version of the same artifact, whichever run uses them.

    Returns:
        The artifact's name.
    """
    import wandb

    stem = store.location.rstrip("/").rpartition("/")[2].removesuffix(".zarr")
    artifact = wandb.Artifact(f"store-{_allowed(stem)}", type="store", metadata=store.summary)
    with artifact.new_file("manifest.json") as file:
        json.dump({"crystals": dict(store.crystals), **store.attributes}, file, indent=1, sort_keys=True)
    # The reference is to the group's own file only: one to the folder would read and list every shard.
    if "://" in store.location:
        artifact.add_reference(f"{store.location.rstrip('/')}/zarr.json", checksum=False)
    else:
        artifact.add_reference((Path(store.location).resolve() / "zarr.json").as_uri())
    if run.offline:
        # `use_artifact` does the same with a new artifact, but waits for a server; here `wandb sync` links it later.
        run._log_artifact(artifact, is_user_created=True, use_after_commit=True)
    else:
        run.use_artifact(artifact)
    return artifact.name.partition(":")[0]


def log_weights(run: Run, folder: Path, rows: Sequence[ResultRow], store: str | None) -> None:
    """Log the checkpoints with all that `phaselearn evaluate run=DOWNLOADED` needs."""
    import wandb

    network = {row.subset: row.as_dict() for row in rows if not row.is_reference}
    checkpoints = {
        name: {key: checkpoint[key] for key in ("epoch", "global_step")}
        for name in ("best.ckpt", "last.ckpt")
        if (folder / name).exists()
        for checkpoint in [torch.load(folder / name, map_location="cpu", weights_only=True, mmap=True)]
    }
    metadata = {"checkpoints": checkpoints, "results": network, "store": store, "commit": run.config.get("commit")}
    artifact = wandb.Artifact(f"weights-{run.id}", type="model", metadata=metadata)
    _log_files(run, artifact, folder, WEIGHT_FILES)


def log_report(run: Run, folder: Path) -> None:
    """Log the report page and the tables of the run."""
    import wandb

    _log_files(run, wandb.Artifact(f"report-{run.id}", type="report"), folder, REPORT_FILES)


def _log_files(run: Run, artifact: Artifact, folder: Path, names: Sequence[str]) -> None:
    for name in names:
        if (folder / name).exists():
            artifact.add_file(str(folder / name))
    run.log_artifact(artifact)


def _allowed(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", name)
