"""Run a Hydra application so that a user's mistake is one line and exit code 2, and a run can be taken up again."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from phaselearn.commands.keys import take_from_arguments, take_from_config
from phaselearn.commands.precision import register_precision
from phaselearn.commands.suggestions import explain
from phaselearn.errors import UserError

CONFIG_FILE = "config.yaml"
register_precision()


def config_directory() -> Path:
    """Return conf/: inside an installed package, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    return package / "conf" if (package / "conf").is_dir() else package.parent / "conf"


def run_application(name: str, task: Callable[[DictConfig], Any]) -> None:
    """Compose the configuration `name` with the command line and run the task on it.

    `resume=FOLDER` (train) and `run=FOLDER` (evaluate) start from the configuration of an earlier run instead.
    Exits with code 2 and one line on a user's mistake, with 130 on Ctrl-C.
    """
    # Hydra prints its own rendering of errors and exits with 1 unless it is told to raise them.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    sys.argv[1:] = take_from_arguments(sys.argv[1:])
    arguments = sys.argv[1:]
    try:
        earlier = _earlier_run(name, arguments)
        if earlier is None:
            path, config = config_directory(), name
            # argparse takes key=value arguments on one side of a flag only.
            sys.argv[1:] = sorted(arguments, key=lambda argument: argument not in ("-m", "--multirun"))
        else:
            path, config = earlier, CONFIG_FILE.removesuffix(".yaml")
            sys.argv[1:] = _continue_arguments(name, earlier, arguments)
        hydra.main(version_base="1.3", config_path=str(path.resolve()), config_name=config)(
            _failing_in_one_line(task, name)
        )()
    except (UserError, HydraException, OmegaConfBaseException) as error:
        fail(explain(error, name, config_directory()))
    except KeyboardInterrupt:
        fail("stopped by Ctrl-C", code=130)


def _failing_in_one_line(task: Callable[[DictConfig], Any], name: str) -> Callable[[DictConfig], Any]:
    """Return the task, leaving by SystemExit on a user's mistake: Hydra adds a line to any other exception."""

    @functools.wraps(task)
    def run(config: DictConfig) -> Any:
        try:
            take_from_config(config)
            return task(config)
        except (UserError, HydraException, OmegaConfBaseException) as error:
            fail(explain(error, name, config_directory()))

    return run


def fail(message: str, code: int = 2) -> NoReturn:
    """Leave with one line on stderr."""
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(code)


def _earlier_run(name: str, arguments: list[str]) -> Path | None:
    """Return the run folder that the arguments name, checked."""
    key = {"train": "resume", "evaluate": "run"}.get(name)
    given = [argument.partition("=")[2] for argument in arguments if argument.partition("=")[0] == key]
    if not given or given[-1] in ("", "null"):
        if name == "evaluate" and not any(argument.startswith("-") for argument in arguments):
            raise UserError("evaluate needs a finished run: `phaselearn evaluate run=outputs/FOLDER`")
        return None
    folder = Path(given[-1].strip("'\""))
    if not (folder / CONFIG_FILE).is_file():
        known = sorted((path.parent for path in Path("outputs").glob(f"*/{CONFIG_FILE}")), key=os.path.getmtime)
        hint = f"the newest run here is {known[-1]}" if known else "there is none in outputs/; start with `make run`"
        raise UserError(f"{key}={folder} is not a run folder (it has no {CONFIG_FILE}): {hint}")
    return folder


def _continue_arguments(name: str, folder: Path, arguments: list[str]) -> list[str]:
    """Return the command line on top of an earlier run's configuration.

    That configuration has no defaults list, so options of groups are appended to it instead of chosen.
    """
    # A run that is older than an option of the evaluation takes it all the same.
    newer = {f"evaluation.{option}" for option in OmegaConf.load(config_directory() / "train.yaml").evaluation}
    groups = {entry.name for entry in config_directory().iterdir() if entry.is_dir()}
    result = []
    for argument in arguments:
        key = argument.partition("=")[0]
        if key in ("resume", "run"):
            continue
        if key in groups and name == "train":
            raise UserError(f"{argument}: a resumed run keeps its {key}; start a new run to change it")
        if key == "model":
            raise UserError(f"{argument}: a run is evaluated with its own model; leave it out")
        if key in groups:
            argument = f"+{argument}"
        elif key in newer:
            argument = f"++{argument}"
        result.append(argument)
    inside = "${now:%Y-%m-%d_%H-%M-%S}"
    where = folder if name == "train" else folder / "evaluations" / inside
    return [
        *result,
        f"hydra.run.dir='{where}'",
        "hydra.job.chdir=false",
        "hydra.output_subdir=null",
        f"hydra.searchpath=['file://{config_directory()}']",
    ]
