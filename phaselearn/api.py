"""The functions of `import phaselearn`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from phaselearn.commands.options import config_directory, options_of
from phaselearn.determination.determination import Determination, Trial
from phaselearn.determination.pipeline import determine_structure
from phaselearn.errors import unknown
from phaselearn.measured.readers import read_reflections
from phaselearn.measured.reflection_data import ReflectionData
from phaselearn.phasing.solution import Solver

__all__ = ["read_reflections", "solve"]


def solve(
    reflections: ReflectionData | str | Path,
    *,
    starts: str = "flipping",
    seconds: float = 60.0,
    seed: int = 0,
    report: Callable[[Trial], None] = lambda trial: None,
) -> Determination:
    """Determine a structure from measured reflections, as `phaselearn solve` does, without writing anything.

    Args:
        reflections: the result of `read_reflections`, or the path of a file that states the cell.
        starts: source of the trial phases, an option of conf/starts, such as `flipping`, `unrolled` or `random`.
        seconds: wall-clock time for the search.
        seed: seed of the trial phases.
        report: told of every trial.

    Raises:
        UserError: the file cannot be read, there are no such starts, or there are too few reflections.
    """
    data = reflections if isinstance(reflections, ReflectionData) else read_reflections(Path(reflections))
    return determine_structure(data, starts_named(starts, seed), starts, seconds, report)


def starts_named(name: str, seed: int) -> Solver:
    """Return an option of conf/starts, ready to phase crystals.

    Raises:
        UserError: there are no such starts.
    """
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.utils import instantiate

    if name not in options_of("starts"):
        raise unknown("starts", name, options_of("starts"))
    # Within a command, Hydra knows the folder already and cannot be initialised twice.
    begun = GlobalHydra.instance().is_initialized()
    with nullcontext() if begun else initialize_config_dir(str(config_directory()), version_base="1.3"):
        config = compose("solve", [f"starts={name}", f"seed={seed}"])
    search: Solver = instantiate(config.search)
    return search
