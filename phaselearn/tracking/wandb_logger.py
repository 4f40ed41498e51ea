"""The W&B run of a run folder: one id for its whole life, offline without a key."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from phaselearn.errors import UserError
from phaselearn.quoting import command
from phaselearn.report.content import ResultRow, ShownCrystal
from phaselearn.report.figures import crystal_picture, figures_by_kind
from phaselearn.tracking.packages import require
from phaselearn.tracking.tracker import StoreFacts, Tracker

if TYPE_CHECKING:
    from wandb.sdk.wandb_run import Run

# From here on a resumed offline run is appended to the run that it goes on with; before, it replaced it.
OLDEST_WANDB = "0.31"
RUN_ID_FILE = "wandb_run_id"
DATA_DIRECTORY = "WANDB_DATA_DIR"


class RunFolderWandbLogger(WandbLogger, Tracker):
    """Lightning's WandbLogger with everything of a run in its folder.

    Files lie in `save_dir`/wandb, the id of the run in `save_dir`/wandb_run_id: whoever goes on in that folder goes
    on with that run. Steps of W&B are optimiser steps, so one row holds all that was logged after a step. WANDB_*
    variables count where the argument is null. Without a key and without WANDB_MODE the run is offline.

    Args:
        save_dir: the run folder.
        project: project of W&B.
        entity: user or team.
        group: runs that belong together.
        name: of the run; null for the group's and the folder's.
        tags, notes: of the run.

    Raises:
        UserError: wandb is not installed, or too old.
    """

    shows_crystals = True

    def __init__(
        self,
        save_dir: str,
        project: str,
        entity: str | None = None,
        group: str | None = None,
        name: str | None = None,
        tags: Sequence[str] = (),
        notes: str | None = None,
    ) -> None:
        require("wandb", OLDEST_WANDB, "logger=wandb")
        self._folder = Path(save_dir)
        id_file = self._folder / RUN_ID_FILE
        named = "/".join(filter(None, (group, self._folder.name)))
        super().__init__(
            name=name or (None if os.environ.get("WANDB_NAME") else named),
            save_dir=os.environ.get("WANDB_DIR") or save_dir,
            id=id_file.read_text().strip() if id_file.exists() else None,
            project=project,
            entity=entity,
            group=group,
            tags=list(tags) or None,
            notes=notes,
            job_type=os.environ.get("WANDB_JOB_TYPE") or "train",
        )
        # Lightning hands it on, and W&B has taken to warn of it.
        self._wandb_init.pop("anonymous", None)
        self._store_name: str | None = None
        self._unsent = False
        self._moved_data = False

    @rank_zero_only
    def start(self) -> None:
        """Begin the run or go on with it, and say where it is.

        Raises:
            UserError: W&B refuses, with its reason.
        """
        import wandb

        if not os.environ.get(DATA_DIRECTORY):
            # Artifacts wait there for `wandb sync`: a run folder should be whole.
            os.environ[DATA_DIRECTORY] = str(self._folder.resolve() / "wandb")
            self._moved_data = True
        try:
            # WANDB_API_KEY, netrc or W&B's settings, in which `wandb login` leaves it.
            has_key = "WANDB_MODE" in os.environ or wandb.login(prompt=False, verify=False)
            # Online, W&B has to tell where the run is, and of its network; offline, it has nothing to tell.
            online = os.environ.get("WANDB_MODE", "online" if has_key else "offline") == "online"
            self._wandb_init["mode"] = None if has_key else "offline"
            self._wandb_init["settings"] = wandb.Settings(quiet=True) if online else wandb.Settings(silent=True)
            run: Run = self.experiment
        except (wandb.Error, ValueError) as error:
            raise UserError(
                f"W&B: {' '.join(str(error).split())}: log in with `wandb login`, or keep the run here with "
                "`WANDB_MODE=offline python train.py logger=wandb`"
            ) from error
        self.shows_crystals = not run.disabled
        if run.disabled:
            return
        (self._folder / RUN_ID_FILE).write_text(f"{run.id}\n")
        if run.offline:
            upload = command("wandb sync", Path(run.settings.sync_dir).parent)
            print(f"W&B is offline: `{upload}` uploads the run", file=sys.stderr)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log metrics after an optimiser step."""
        self._log(metrics, step)

    def _log(self, values: Mapping[str, Any], step: int | None) -> None:
        run: Run = self.experiment
        if step is None or run.disabled:
            run.log(dict(values))
            return
        # W&B drops what comes below its own step, which is ahead where a run was stopped after its last checkpoint.
        run.log({**values, "trainer/global_step": step}, step=max(step, run.step))
        self._unsent = True

    @rank_zero_only
    def begin_epoch(self) -> None:
        """Send the row of the epoch before: W&B would keep it until the next step is logged."""
        if self._unsent:
            self.experiment.log({}, commit=True)
            self._unsent = False

    @rank_zero_only
    def log_run(self, config: Mapping[str, Any], store: StoreFacts) -> None:
        """Note the configuration, searchable by its nested keys, and use the manifest of the store."""
        from phaselearn.tracking.wandb_artifacts import use_store

        run: Run = self.experiment
        if run.disabled:
            return
        # What a sweep has chosen (`loss: mse`) is locked: its word stands for the whole of that group.
        swept = set(run.config.keys()) if "WANDB_SWEEP_ID" in os.environ else set()
        noted = {**config, "store": store.summary}
        run.config.update({key: noted[key] for key in noted if key not in swept}, allow_val_change=True)
        self._store_name = use_store(run, store)

    @rank_zero_only
    def log_crystals(self, crystals: Sequence[ShownCrystal], step: int) -> None:
        """Show crystals as pictures and as surfaces to turn about."""
        import wandb

        from phaselearn.report.interactive import comparison_figure

        shown: dict[str, Any] = {}
        # Numbers, not names: a panel then shows the crystals of any run.
        for number, crystal in enumerate(crystals, start=1):
            shown[f"crystals/{number}"] = wandb.Image(crystal_picture(crystal), caption=crystal.file_stem)
            shown[f"crystals_3d/{number}"] = wandb.Plotly(comparison_figure(crystal))
        self._log(shown, step)

    @rank_zero_only
    def log_results(self, folder: Path, rows: Sequence[ResultRow], step: int) -> None:
        """Note the table of results, its figures in the summary, the figures of the report, and the weights."""
        import wandb

        from phaselearn.tracking.wandb_artifacts import log_report, log_weights

        run: Run = self.experiment
        if run.disabled:
            return
        columns = list(rows[0].as_dict()) if rows else []
        table = wandb.Table(columns=columns, data=[list(row.as_dict().values()) for row in rows])
        figures = {
            f"figures/{kind}": [wandb.Image(str(path), caption=path.stem) for path in paths]
            for kind, paths in figures_by_kind(folder / "figures").items()
        }
        self._log({"results": table, **figures}, step)
        run.summary.update(summary_values(rows))
        log_report(run, folder)
        log_weights(run, folder, rows, self._store_name)

    @rank_zero_only
    def close(self, succeeded: bool) -> None:
        """Finish the run, so that the next job of a multirun begins its own."""
        if self._experiment is not None:
            self._experiment.finish(exit_code=0 if succeeded else 1)
        if self._moved_data:
            del os.environ[DATA_DIRECTORY]


def summary_values(rows: Sequence[ResultRow]) -> dict[str, float]:
    """Return the numbers of a table of results as `test/METHOD/SUBSET/NUMBER`, networks under `network`."""
    return {
        f"test/{row.method if row.is_parameter_free else 'network'}/{row.subset}/{name}": value
        for row in rows
        for name, value in row.as_dict().items()
        if name not in ("method", "subset")
    }
