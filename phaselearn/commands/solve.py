"""`phaselearn solve FILE …`: measured reflections in, structures out."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING

from phaselearn import measured
from phaselearn.commands.application import run_application, typed_command
from phaselearn.commands.plain_config import plain_values
from phaselearn.commands.run_folder import own_folder
from phaselearn.commands.starts_names import joined, short_name, starts_words, unknown_starts
from phaselearn.errors import UserError, choose
from phaselearn.quoting import command, printable, setting
from phaselearn.report.run_files import CONFIG_FILE

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from phaselearn.determination.determination import Trial

_USAGE = "phaselearn solve crystal.hkl"
_OF_THE_FILE = ("ins", "cell", "wavelength", "probe", "elements", "formula", "space_group", "block")


def main() -> None:
    """Run the command; it leaves with code 0 where every structure is solved, and with 1 where one is not."""
    run_application("solve", _solve, _files_named)


def _files_named(flags: list[str], words: list[str]) -> tuple[list[str], list[str]]:
    """Return flags and overrides: a path is that of a file, several are a multirun, and starts may be a run folder."""
    files = [word for word in words if "=" not in word or Path(word).is_file()]
    others = [override for word in words if word not in files for override in starts_words(word)]
    if not files:
        return flags, others
    paths = [setting("file", file).removeprefix("file=") for file in files]
    runs_several = len(files) > 1 and not {"-m", "--multirun"} & set(flags)
    return [*flags, *(["--multirun"] if runs_several else [])], [*others, f"file={','.join(paths)}"]


def _solve(config: DictConfig) -> None:
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from phaselearn.commands.networks import names_network
    from phaselearn.commands.settings import check
    from phaselearn.measured.readers import read_reflections

    if HydraConfig.get().mode != RunMode.MULTIRUN:
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # it ends the search as Ctrl-C does: the best is kept
    # Before the imports, which take seconds.
    check(config, "solve")
    file, reference = _files(config)
    if "run" in config.starts and not names_network(config.starts.run):
        asked = file if config.example is None else setting("example", config.example)
        raise unknown_starts(_starts_named(config), command("phaselearn solve", asked))
    if not config.seconds > 0:
        raise UserError(f"seconds={config.seconds}: above 0 is needed, e.g. seconds=60")
    given = plain_values(config)
    data = read_reflections(file, **{key: given[key] for key in _OF_THE_FILE})

    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    from phaselearn.commands.console import quiet_libraries
    from phaselearn.determination.listing import in_one_line, listing
    from phaselearn.determination.pipeline import determine_structure
    from phaselearn.determination.reference import compared, read_atoms
    from phaselearn.files import write_whole
    from phaselearn.progress import show_progress
    from phaselearn.report.solution import write_solution
    from phaselearn.threads import limited_to

    quiet_libraries()
    show_progress(not config.quiet)
    published = read_atoms(reference, data.experiment.cell) if reference is not None else None
    folder = Path(HydraConfig.get().runtime.output_dir)
    values = {key: given[key] for key in given if key not in ("run", "quiet")}
    own = OmegaConf.create(values)
    with limited_to(config.threads), own_folder(folder, own, "give the same command to repeat it"):
        write_whole(folder / CONFIG_FILE, OmegaConf.to_yaml(own).encode())
        name = short_name(_starts_named(config))
        found = determine_structure(data, instantiate(config.search), name, config.seconds, _announce)
        known = compared(published, found) if published is not None else None
        write_solution(folder, found, known, typed_command("solve"))
    if HydraConfig.get().mode == RunMode.MULTIRUN:
        print(f"{printable(file)}: {in_one_line(found)}")
        return
    print(listing(found, known))
    print(f"page:   {printable(folder / 'solve.html')}\nfolder: {printable(folder)}")
    if not found.solved:
        raise SystemExit(1)


def _starts_named(config: DictConfig) -> str:
    """Return the starts as they were named on the command line."""
    from hydra.core.hydra_config import HydraConfig

    choices = HydraConfig.get().runtime.choices
    if "run" not in config.starts:
        return str(choices["starts"])
    begin = choices["starts@starts.begin"]
    return joined(None if begin == "random" else begin, config.starts.run)


def _files(config: DictConfig) -> tuple[Path, Path | None]:
    """Return the file of reflections, and that of the published structure if there is one."""
    if (config.file is None) == (config.example is None):
        raise UserError(f"solve needs one file of reflections, `{_USAGE}`, or `phaselearn solve example=cod_2016452`")
    known = Path(config.reference) if config.reference is not None else None
    if config.example is None:
        for path in (Path(config.file), *([known] if known is not None else [])):
            if not path.exists():
                raise UserError(f"{path} is not there: name a file that is, e.g. `{_USAGE}`")
        return Path(config.file), known
    folder = Path(measured.__file__).parent / "examples"
    name = choose(
        "example", config.example, sorted(path.stem for path in folder.glob("*.hkl")), command="phaselearn solve"
    )
    return folder / f"{name}.hkl", known or folder / f"{name}.cif"


def _announce(trial: Trial) -> None:
    from phaselearn.progress import announce

    atoms = f", R1 {trial.r1:.3f} in {trial.space_group}, confidence {trial.confidence:.2f}" if trial.r1 else ""
    announce(f"trial {trial.number + 1}, {trial.seconds:.0f} s: map R {trial.r_map:.3f}{atoms}")
