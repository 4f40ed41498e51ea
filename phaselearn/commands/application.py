"""Run a Hydra application: a user's mistake gives one line and exit code 2, and an earlier run can be resumed."""

from __future__ import annotations

import argparse
import functools
import os
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from phaselearn.commands.console import ending_with_its_reader
from phaselearn.commands.help import print_help
from phaselearn.commands.hydra_internals import get_args_parser
from phaselearn.commands.keys import take_from_arguments, take_from_config
from phaselearn.commands.options import EVALUATED, config_directory, evaluation_defaults, option_groups
from phaselearn.commands.overrides import check_choices, folder_of_all, path_as_written, value_of
from phaselearn.commands.own_classes import told_of_own
from phaselearn.commands.plain_config import plain_values, read_config
from phaselearn.commands.processes import check_started
from phaselearn.commands.strangers import Stranger, read_run_config
from phaselearn.commands.suggestions import explain, name_of
from phaselearn.commands.task_errors import told_of_task
from phaselearn.errors import UserError
from phaselearn.failures import FAILED_FILE, note_failure
from phaselearn.precision import register_precision
from phaselearn.quoting import command, one_line, setting
from phaselearn.report.run_files import CONFIG_FILE, TRAINING_SET_FILE
from phaselearn.running import running_as

Naming = Callable[[list[str], list[str]], tuple[list[str], list[str]]]

_EARLIER = "earlier_run"
_NO_LOG_FILE = "hydra/job_logging=stdout"
_typed: list[str] = []  # the command line as it was typed; sys.argv is changed for Hydra and for other processes
register_precision()


@ending_with_its_reader()
def run_application(name: str, task: Callable[[DictConfig], Any], named: Naming = lambda *words: words) -> None:
    """Compose the configuration `name` with the command line and run the task on it.

    `resume=FOLDER` (train) and `run=FOLDER` (evaluate) start from the configuration of an earlier run instead, which is
    checked unless `trust=true` is given.
    Exits with code 2 and one line on a user's mistake, with 130 on Ctrl-C.

    Args:
        name: the command.
        task: the work.
        named: puts `key=value` in place of words that are values of a key; it takes and returns flags and overrides.
    """
    # Hydra prints its own rendering of errors and exits with 1 unless it is told to raise them.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    sys.argv[1:] = take_from_arguments(sys.argv[1:])
    _typed[:] = sys.argv[1:]
    try:
        if name == "train":
            check_started(sys.argv[1:])
        flags, overrides = named(*split_arguments(sys.argv[1:]))
        overrides = folder_of_all(name, flags, [path_as_written(override) for override in overrides])
        if "--help" in flags or "-h" in flags:
            print_help(name)
            return
        check_choices(overrides)
        earlier = _earlier_run(name, flags, overrides)
        config = name
        if earlier is not None:
            overrides = _continue_overrides(name, earlier, flags, overrides)
            config = _EARLIER
        sys.argv[1:] = [*flags, *overrides]
        hydra.main(version_base="1.3", config_path=str(config_directory()), config_name=config)(
            _failing_in_one_line(task, name)
        )()
    except (UserError, HydraException, OmegaConfBaseException) as error:
        fail(explain(error, name))
    except RuntimeError as error:
        # Hydra's error for a launcher or sweeper whose package is missing; it carries nothing but this text.
        if "Unknown plugin class" not in str(error):
            raise
        fail(f"{' '.join(str(error).split())}: it is not installed, `pip install 'phaselearn[sweep]'`")
    except OSError as error:
        # Hydra makes the run folder before the task begins.
        if HydraConfig.initialized() or error.errno is None or isinstance(error, BrokenPipeError):
            raise
        fail(f"the folder {error.filename} cannot be made ({error.strerror}): name another, e.g. run=outputs/NAME")
    except KeyboardInterrupt:
        fail("stopped by Ctrl-C or SIGTERM", code=130)


def _failing_in_one_line(task: Callable[[DictConfig], Any], name: str) -> Callable[[DictConfig], Any]:
    """Return the task, changed to raise SystemExit on a user's mistake: Hydra adds a line to any other exception.

    A job of a multirun leaves a note in its folder instead, and the other jobs run.
    """

    @functools.wraps(task)
    def run(config: DictConfig) -> Any:
        hydra = HydraConfig.get()
        folder = Path(hydra.runtime.output_dir)
        (folder / FAILED_FILE).unlink(missing_ok=True)
        try:
            take_from_config(config)
            with running_as(_begun(name)):
                return task(config)
        except KeyboardInterrupt:
            _remove_if_empty(folder)
            raise
        except Exception as error:
            told = told_of_task(error, name, folder) or told_of_own(error, config, name)
            if hydra.mode != RunMode.MULTIRUN:
                if told is None:
                    raise
                _remove_if_empty(folder)
                fail(told)
            if told is None:
                traceback.print_exc()
                told = f"{type(error).__name__}: {error}"
            note_failure(folder, told, name, hydra.overrides.task)
            print(f"job {hydra.job.num} failed: {one_line(told)}", flush=True)
            return None

    return run


def _remove_if_empty(folder: Path) -> None:
    """Remove the folder that Hydra made for a command that wrote nothing."""
    with suppress(OSError):
        folder.rmdir()


def fail(message: str, code: int = 2) -> NoReturn:
    """Exit with one line on stderr."""
    print(f"error: {one_line(message)}", file=sys.stderr)
    raise SystemExit(code)


def split_arguments(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Return Hydra's flags, with their values, and the overrides, in whichever order they were given.

    Raises:
        UserError: Hydra does not have a flag, or flags exclude each other.
    """
    parser = _Flags(add_help=False, parents=[get_args_parser()])
    parsed = parser.parse_intermixed_args(arguments)
    modes = [mode for mode in ("run", "multirun", "cfg", "info", "shell_completion") if getattr(parsed, mode)]
    if len(modes) > 1:
        raise UserError(f"{' and '.join(f'--{mode}' for mode in modes)}: one at a time, e.g. --{modes[-1]} alone")
    if parsed.resolve and not parsed.cfg:
        raise UserError("--resolve goes with --cfg: --cfg job --resolve")
    overrides, flags = parsed.overrides, list(arguments)
    for override in overrides:
        flags.remove(override)
    return flags, overrides


class _Flags(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(
            f"{message}: values are given as key=value, without dashes; the flags are listed by --hydra-help"
        )


def _earlier_run(name: str, flags: list[str], overrides: list[str]) -> Path | None:
    """Return the run folder that the command line names, after checking it; None if it names none."""
    key = {"train": "resume", "evaluate": "run"}.get(name)
    given = [override for override in overrides if override.partition("=")[0] == key]
    named = value_of(given[-1]) if given else None
    if not named:
        if name == "evaluate":
            raise UserError("evaluate needs a finished run: `phaselearn evaluate run=outputs/FOLDER`")
        return None
    folder = Path(str(named))
    if not (folder / CONFIG_FILE).is_file():
        # Folders of other commands hold a configuration, too.
        trained = (path.parent for path in Path("outputs").glob(f"*/{TRAINING_SET_FILE}"))
        known = sorted((run for run in trained if (run / CONFIG_FILE).is_file()), key=os.path.getmtime)
        newest = command(name_of(name), setting(str(key), known[-1])) if known else ""
        none = "there is none in outputs/: `phaselearn train` makes one"
        hint = f"for the newest run here, `{newest}`" if known else none
        raise UserError(f"{key}={folder} is not a run folder (it has no {CONFIG_FILE}): {hint}")
    if "-m" in flags or "--multirun" in flags:
        raise UserError(f"-m varies a new run, but {key}={folder} is an earlier one: leave one of them out")
    return folder


def _continue_overrides(name: str, folder: Path, flags: list[str], overrides: list[str]) -> list[str]:
    """Return the overrides of an earlier run's configuration, which Hydra then finds as `_EARLIER`.

    That configuration has no defaults list, so options of groups are appended to it instead of chosen.
    """
    # An option of the evaluation may be newer than the run, so that the run's configuration lacks it.
    newer = {f"evaluation.{option}" for option in plain_values(read_config(evaluation_defaults()))}
    groups = option_groups()
    result = []
    chosen = set()
    trusted = False
    for override in overrides:
        key = override.partition("=")[0]
        if key in ("resume", "run"):
            continue
        if key.lstrip("+") == "trust":
            trusted = _is_true(override)
            continue
        if key in groups and name == "train":
            raise UserError(f"{override}: a resumed run keeps its {key}; start a new run to change it")
        if key == "model":
            raise UserError(f"{override}: a run is evaluated with its own model; leave it out")
        if key in groups and key not in EVALUATED:
            raise UserError(
                f"{override}: an evaluation takes other options of {', '.join(EVALUATED)}, not of {key}: "
                f"`{command('phaselearn evaluate', setting('run', folder))}`"
            )
        if key in EVALUATED:
            # The whole node is replaced: a key that only the run's own option has would be wrong in the new one.
            chosen.add(key)
            override = f"+{override}"
        elif key in newer:
            override = f"++{override}"
        elif name == "train" and key.startswith("+") and key.lstrip("+").partition("@")[0] not in groups:
            # The first resumption, or the first process of this one, has already added it to the run's configuration.
            override = f"++{override.lstrip('+')}"
        result.append(override)
    if name == "evaluate":
        chosen.add("logger")  # only training needs loggers, and their packages may be missing here
    stranger = _stranger(name, folder, flags, result)
    ConfigStore.instance().store(_EARLIER, read_run_config(folder, stranger, trusted, without=chosen))
    where = folder if name == "train" else folder / "evaluations" / time.strftime("%Y-%m-%d_%H-%M-%S")
    return [*result, setting("hydra.run.dir", where), "hydra.job.chdir=false", "hydra.output_subdir=null", _NO_LOG_FILE]


def _is_true(override: str) -> bool:
    value = value_of(override)
    if not isinstance(value, bool):
        raise UserError(f"{override}: true or false is needed, e.g. trust=true for a run of your own")
    return value


def _stranger(name: str, folder: Path, flags: list[str], overrides: list[str]) -> Stranger:
    """Return the origin of an earlier run's configuration, and the keys that the command line replaces in it."""
    given = [override.partition("=") for override in overrides]
    options = get_args_parser().parse_args(flags).config_dir
    return Stranger(
        file=str(folder / CONFIG_FILE),
        command=command(name_of(name), setting("resume" if name == "train" else "run", folder), "trust=true"),
        replaced={tuple(key.lstrip("+").split(".")) for key, equals, _ in given if equals},
        removed={tuple(key[1:].split(".")) for key, equals, _ in given if key.startswith("~") and not equals},
        options=(Path(options),) if options else (),
    )


def _begun(name: str) -> str:
    """Return the command with the words that name its network, which every command of its kind needs."""
    needed = ("run", "weights") if name in ("evaluate", "predict") else ()
    return command(name_of(name), *(word for word in typed_words() if word.partition("=")[0] in needed))


def typed_words() -> list[str]:
    """Return the arguments as they were typed; in a multirun, those of this job alone."""
    hydra = HydraConfig.get()
    if hydra.mode != RunMode.MULTIRUN:
        return list(_typed)
    flags, _ = split_arguments(_typed)
    return [*(flag for flag in flags if flag not in ("-m", "--multirun")), *hydra.overrides.task]


def typed_command(name: str) -> str:
    """Return the command as it was typed, quoted; in a multirun, the command of this job alone."""
    return command(name_of(name), *typed_words())
