"""The workspace of W&B, written without network and read back as W&B's own library reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.folders import PHASELEARN, command


@pytest.fixture(autouse=True)
def _without_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


@pytest.mark.slow
def test_the_layout_is_written_and_read_back(tmp_path: Path) -> None:
    from wandb_workspaces.workspaces import Workspace  # which takes seconds
    from wandb_workspaces.workspaces.internal import View

    command(tmp_path, *PHASELEARN, "dashboard", "file=layout.json", "entity=me", "project=crystals", "crystals=3")
    view = View.model_validate_json((tmp_path / "layout.json").read_text())
    layout = Workspace._from_model(view)
    assert (layout.entity, layout.project, layout.name) == ("me", "crystals", "PhaseLearn")
    sections = {section.name: section for section in layout.sections}
    assert list(sections) == ["Learning", "Validation crystals", "Test", "Figures of the report", "Sweeps"]
    plots = {plot.title: [metric.name for metric in plot.y] for plot in sections["Learning"].panels}
    assert plots["Loss"] == ["train/loss", "val/loss"]
    assert plots["Median map correlation"] == ["val/median_cc", "val/floor"]
    assert {plot.x.name for plot in sections["Learning"].panels} == {"epoch"}
    shown = [key for panel in sections["Validation crystals"].panels for key in panel.media_keys]
    assert sorted(shown) == [f"{kind}/{number}" for kind in ("crystals", "crystals_3d") for number in (1, 2, 3)]
    assert "summary:val/floor" in layout.runset_settings.pinned_columns


def test_without_a_key_it_says_what_helps(tmp_path: Path) -> None:
    done = command(tmp_path, *PHASELEARN, "dashboard", succeeds=False)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert "`wandb login`" in line
    assert "file=dashboard.json" in line
