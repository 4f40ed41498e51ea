"""The W&B run of a run folder, which keeps its id for life and is offline without a key."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from phaselearn.errors import UserError
from phaselearn.files import write_whole
from phaselearn.quoting import command
from phaselearn.report.content import ShownCrystal
from phaselearn.report.figures import crystal_picture, figures_by_kind
from phaselearn.report.results import ResultRow
from phaselearn.tracking.tracker import StoreFacts, Tracker

if TYPE_CHECKING:
    from wandb.sdk.wandb_run import Run

# Since this version, a resumed offline run is appended to the earlier run; earlier versions replaced it.
RUN_ID_FILE = "wandb_run_id"
DATA_DIRECTORY = "WANDB_DATA_DIR"


class RunFolderWandbLogger(WandbLogger, Tracker):
    """Lightning's WandbLogger with all files of a run in its folder.

    Files are in `save_dir`/wandb. The id of the run is in `save_dir`/wandb_run_id, so a run that is resumed in that
    folder continues the same W&B run. A W&B step is an optimiser step, so one row holds everything that was logged
    after it. If an argument is None, the WANDB_* variable is used. Without a key and without WANDB_MODE, the run is
    offline.

    Args:
        save_dir: the run folder.
        project: name of the W&B project.
        entity: user or team that owns the project.
        group: name of a group of runs that belong together.
        name: name of the run; None combines the names of the group and the folder.
        tags: tags of the run.
        notes: notes on the run.
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
        # Lightning passes this argument on, and W&B warns about it.
        self._wandb_init.pop("anonymous", None)
        self._store_name: str | None = None
        self._unsent = False
        self._moved_data = False

    @rank_zero_only
    def start(self) -> None:
        """Begin or continue the run, and print where it is.

        Raises:
            UserError: W&B refuses; the message gives its reason.
        """
        import wandb

        if not os.environ.get(DATA_DIRECTORY):
            # Artifacts wait there for `wandb sync`, and a run folder should hold everything of its run.
            os.environ[DATA_DIRECTORY] = str(self._folder.resolve() / "wandb")
            self._moved_data = True
        try:
            # The key may be in WANDB_API_KEY, in netrc, or in W&B's settings, where `wandb login` puts it.
            has_key = "WANDB_MODE" in os.environ or wandb.login(prompt=False, verify=False)
            # Online, W&B prints where the run is and what is wrong with the network; offline, it has nothing to print.
            online = os.environ.get("WANDB_MODE", "online" if has_key else "offline") == "online"
            self._wandb_init["mode"] = None if has_key else "offline"
            self._wandb_init["settings"] = wandb.Settings(quiet=True) if online else wandb.Settings(silent=True)
            run: Run = self.experiment
        except (wandb.Error, ValueError) as error:
            raise UserError(
                f"W&B: {' '.join(str(error).split())}: log in with `wandb login`, or keep the run here with "
                "`WANDB_MODE=offline phaselearn train logger=wandb`"
            ) from error
        self.shows_crystals = not run.disabled
        if run.disabled:
            return
        write_whole(self._folder / RUN_ID_FILE, f"{run.id}\n".encode())
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
        # W&B drops values before its own step, which is ahead if a run was stopped after its last checkpoint.
        run.log({**values, "trainer/global_step": step}, step=max(step, run.step))
        self._unsent = True

    @rank_zero_only
    def begin_epoch(self) -> None:
        """Send the row of the previous epoch, which W&B would hold back until the next step is logged."""
        if self._unsent:
            self.experiment.log({}, commit=True)
            self._unsent = False

    @rank_zero_only
    def log_run(self, config: Mapping[str, Any], store: StoreFacts) -> None:
        """Log the configuration, searchable by its nested keys, and declare the store as the run's input."""
        from phaselearn.tracking.wandb_artifacts import use_store

        run: Run = self.experiment
        if run.disabled:
            return
        # Values that a sweep has chosen (`loss: mse`) are locked; there, the option's name stands for the whole group.
        swept = set(run.config.keys()) if "WANDB_SWEEP_ID" in os.environ else set()
        noted = {**config, "store": store.summary}
        run.config.update({key: noted[key] for key in noted if key not in swept}, allow_val_change=True)
        self._store_name = use_store(run, store)

    @rank_zero_only
    def log_crystals(self, crystals: Sequence[ShownCrystal], step: int) -> None:
        """Show crystals as pictures and as surfaces in 3D."""
        import wandb

        from phaselearn.report.interactive import comparison_figure

        shown: dict[str, Any] = {}
        # Keys are numbers, not names, so that a panel shows the crystals of any run.
        for number, crystal in enumerate(crystals, start=1):
            shown[f"crystals/{number}"] = wandb.Image(crystal_picture(crystal), caption=crystal.file_stem)
            shown[f"crystals_3d/{number}"] = wandb.Plotly(comparison_figure(crystal))
        self._log(shown, step)

    @rank_zero_only
    def log_results(self, folder: Path, rows: Sequence[ResultRow], step: int) -> None:
        """Log the table of results, its numbers in the summary, the figures of the report, and the weights."""
        import wandb

        from phaselearn.tracking.wandb_artifacts import log_report, log_weights

        run: Run = self.experiment
        if run.disabled:
            return
        shown: dict[str, Any] = {
            f"figures/{kind}": [wandb.Image(str(path), caption=path.stem) for path in paths]
            for kind, paths in figures_by_kind(folder / "figures").items()
        }
        if rows:  # a run with evaluation=none has none
            columns: list[str | int] = list(rows[0].as_dict())
            shown["results"] = wandb.Table(columns=columns, data=[list(row.as_dict().values()) for row in rows])
        self._log(shown, step)
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
    """Return the numbers of a results table as {test/METHOD/SUBSET/NAME: number}; networks are named `network`."""
    return {
        f"test/{row.method if row.is_reference else 'network'}/{row.subset}/{name}": value
        for row in rows
        for name, value in row.as_dict().items()
        if name not in ("method", "subset")
    }
