"""The W&B workspace of a project: the layout of the panels that show its runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phaselearn.errors import UserError
from phaselearn.files import write_whole

if TYPE_CHECKING:
    from wandb_workspaces.workspaces import Workspace

EPOCH = "epoch"


def workspace(entity: str, project: str, name: str, crystals: int) -> Workspace:
    """Return the layout of a workspace: learning curves, crystals, results, and comparisons of a sweep.

    Args:
        entity: user or team that owns the project.
        project: name of the project whose runs are shown.
        name: name of the workspace.
        crystals: number of crystals that a run shows (`callbacks.pictures.crystals`).
    """
    import wandb_workspaces.workspaces as ws

    sections = {
        "Learning": _learning(),
        "Validation crystals": _crystals(crystals),
        "Test": _test(),
        "Figures of the report": _figures(),
        "Sweeps": _sweeps(),
    }
    return ws.Workspace(
        entity=entity,
        project=project,
        name=name,
        sections=[
            ws.Section(name=title, panels=panels, is_open=title not in ("Figures of the report", "Sweeps"))
            for title, panels in sections.items()
        ],
        settings=ws.WorkspaceSettings(x_axis=EPOCH),
        runset_settings=ws.RunsetSettings(
            pinned_columns=[
                "config:choices.model",
                "config:choices.loss",
                "config:choices.data",
                "summary:val/median_cc",
                "summary:val/floor",
                "summary:test/network/all/solved",
                "summary:test/phase_zero/all/solved",
            ]
        ),
    )


def _learning() -> list[Any]:
    from wandb_workspaces.reports.v2 import LinePlot

    losses = LinePlot(title="Loss", x=EPOCH, y=["train/loss", "val/loss"], log_y=True)
    # Each judgement is shown beside that of the map with all phases zero.
    beside_floor = {
        "Median map correlation": ("val/median_cc", "val/floor"),
        "Solved": ("val/solved", "val/floor_solved"),
        "Median map correlation, hard crystals": ("val/median_cc_hard", "val/floor_hard"),
        "Median map correlation, structure types not seen": (
            "val/median_cc_unseen_prototype",
            "val/floor_unseen_prototype",
        ),
    }
    plots = [LinePlot(title=title, x=EPOCH, y=list(metrics)) for title, metrics in beside_floor.items()]
    return [losses, *plots, LinePlot(title="Gain", x=EPOCH, y=["val/gain", "val/gain_hard"])]


def _crystals(count: int) -> list[Any]:
    from wandb_workspaces.reports.v2 import MediaBrowser

    return [
        MediaBrowser(title=title.format(number), media_keys=[f"{key}/{number}"], num_columns=1)
        for number in range(1, count + 1)
        for key, title in (("crystals", "Crystal {}"), ("crystals_3d", "Crystal {} in 3D"))
    ]


def _test() -> list[Any]:
    from wandb_workspaces.reports.v2 import BarPlot, WeavePanelSummaryTable

    bars = {"median_cc": "Median map correlation", "solved": "Solved", "phase_error": "Median phase error / °"}
    methods = ("network", "phase_zero", "charge_flipping")
    return [
        WeavePanelSummaryTable(table_name="results"),
        *(
            BarPlot(title=f"{title}, test", metrics=[f"test/{method}/all/{name}" for method in methods])
            for name, title in bars.items()
        ),
    ]


def _figures() -> list[Any]:
    from wandb_workspaces.reports.v2 import MediaBrowser

    kinds = ("loss_curves", "correlation", "crystal", "voxels", "pattern")
    return [MediaBrowser(media_keys=[f"figures/{kind}"], num_columns=1) for kind in kinds]


def _sweeps() -> list[Any]:
    from wandb_workspaces.reports.v2 import (
        Config,
        ParallelCoordinatesPlot,
        ParallelCoordinatesPlotColumn,
        ParameterImportancePlot,
        SummaryMetric,
    )

    settings = ("choices.model", "choices.loss", "data.train_size", "optim.optimizer.lr")
    columns: list[Config | SummaryMetric] = [*map(Config, settings), SummaryMetric("val/median_cc")]
    return [
        ParallelCoordinatesPlot(columns=[ParallelCoordinatesPlotColumn(metric=column) for column in columns]),
        ParameterImportancePlot(with_respect_to="val/median_cc"),
    ]


def write_layout(layout: Workspace, path: Path) -> None:
    """Write a layout to a file, in W&B's own JSON; this needs no network."""
    text = layout._to_model().model_dump_json(by_alias=True, exclude_none=True)
    write_whole(path, json.dumps(json.loads(text), indent=1).encode())


def send(entity: str | None, project: str, name: str, crystals: int) -> str:
    """Make the workspace at W&B and return its address.

    Args:
        entity: user or team that owns the project; None for the default of the API key.
        project: name of the project.
        name: name of the workspace.
        crystals: number of crystals that a run shows.

    Raises:
        UserError: there is no key, no owner is known, or W&B refuses.
    """
    import wandb

    if not wandb.login(prompt=False, verify=False):
        raise UserError(
            "a dashboard at W&B needs a key: `wandb login`; or write its layout with "
            "`phaselearn dashboard file=dashboard.json`"
        )
    try:
        owner = entity or wandb.Api().default_entity
        if owner is None:
            raise UserError(
                "W&B knows no default user or team for this key: name one, `phaselearn dashboard entity=NAME`"
            )
        return workspace(owner, project, name, crystals).save().url
    except UserError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"W&B refuses the dashboard of {project} ({reason}): check entity= and project=, and the key with "
            "`wandb login --verify`"
        ) from error
