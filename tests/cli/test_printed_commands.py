"""Commands as they are printed: a shell and Hydra read them as they were meant, wherever a run lies."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest

from phaselearn.callbacks.finite_loss import Diverged, FiniteLoss
from phaselearn.commands.application import _continue_overrides, _earlier_run
from phaselearn.commands.overrides import path_as_written, value_of
from phaselearn.commands.session import checkpoint_path, read_checkpoint
from phaselearn.commands.summary import print_training
from phaselearn.data.store.damage import check_schema, repair_command
from phaselearn.data.store.location import open_storage
from phaselearn.errors import UserError
from phaselearn.report.curves import read_curves
from phaselearn.report.run_files import write_command
from phaselearn.report.run_folders import command_of

PLACES = ("it's", "s?a b", 'a"b  c', "a#b%20c", "a,b=[c](d)", "-x", "結晶 é", "a\\")


def settings_of(line: str) -> dict[str, str]:
    """Return what Hydra reads of the settings of the command in a line, between `…` or after the colon."""
    [printed] = re.findall(r"`((?:python|phaselearn) .*?)`", line) or [line.partition(":")[2]]
    words = [word for word in shlex.split(printed) if "=" in word]
    return {word.partition("=")[0]: value_of(word) for word in words if "…" not in word}


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The relative path of a folder with a name that needs quotes."""
    monkeypatch.chdir(tmp_path)
    Path(request.param).mkdir()
    return Path(request.param)


def told(function, *arguments) -> str:
    with pytest.raises(UserError) as error:
        function(*arguments)
    return str(error.value)


def test_the_last_lines_of_a_run(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_training(place, "best.ckpt", SimpleNamespace(best=None), "2 epochs", 1.0, ["trainer.max_epochs=4"])
    lines = {line.partition(":")[0]: line for line in capsys.readouterr().out.splitlines()}
    assert settings_of(lines["more"]) == {"resume": str(place), "trainer.max_epochs": 4}
    assert settings_of(lines["again"])["run"] == str(place)


def test_errors_of_a_run(place: Path) -> None:
    assert settings_of(told(checkpoint_path, place, "best"))["resume"] == str(place)
    (place / "metrics.csv").write_text("no\nepoch\n")
    assert settings_of(told(read_curves, place / "metrics.csv"))["resume"] == str(place)
    (place / "best.ckpt").write_text("none")
    assert "`cp " not in told(read_checkpoint, place / "best.ckpt")  # there is no other one
    (place / "last.ckpt").touch()
    [copied] = re.findall(r"`(cp .*?)`", told(read_checkpoint, place / "best.ckpt"))
    program, *paths = shlex.split(copied)
    assert program == "cp"
    assert [(Path(path).name, Path(path).parent) for path in paths] == [("last.ckpt", place), ("best.ckpt", place)]
    assert not any(path.startswith("-") for path in paths)


def test_a_training_that_diverged(place: Path) -> None:
    (place / "last.ckpt").touch()
    optimizer = SimpleNamespace(param_groups=[{"lr": 0.1, "fused": True}])
    trainer = SimpleNamespace(default_root_dir=str(place), optimizers=[optimizer], current_epoch=1, global_step=2)
    callback = FiniteLoss(every=1)
    import torch

    with pytest.raises(Diverged) as error:
        callback.on_train_batch_end(trainer, None, {"loss": torch.tensor(torch.nan)}, None, 0)
    first, *_ = re.findall(r"`phaselearn train .*?`", str(error.value))
    assert settings_of(first) == {
        "resume": str(place),
        "trainer.gradient_clip_val": 1.0,
        "optim.optimizer.fused": False,
    }


def test_a_store(place: Path) -> None:
    assert settings_of(f"`{repair_command(open_storage(place))}`") == {"data.store": str(place), "repair": True}
    assert settings_of(told(check_schema, open_storage(place / "no")))["data.store"] == str(place / "no")


def test_a_run_that_is_listed(place: Path) -> None:
    assert settings_of(f"`{command_of(place)}`") == {"resume": str(place)}
    word = path_as_written(f"source.path={place}")
    write_command(place / "command.txt", [word, "run=x"])
    assert shlex.split(command_of(place)) == ["phaselearn", "train", word]


def test_a_folder_is_found_as_it_was_typed(place: Path) -> None:
    """Quoted for Hydra or not: a comma alone means a choice to it."""
    (place / "config.yaml").write_text("source: {count: 1}\n")
    typed = [f'resume="{place}"'] if "," in str(place) else [path_as_written(f"resume={place}")]
    folder = _earlier_run("train", [], typed)
    assert folder == place
    where = [word for word in _continue_overrides("train", folder, [], typed) if word.startswith("hydra.run.dir=")]
    assert [value_of(word) for word in where] == [str(place)]
