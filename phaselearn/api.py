"""The functions of `import phaselearn`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from phaselearn.commands import session
from phaselearn.commands.composition import composed
from phaselearn.commands.networks import find_network, names_network, run_config
from phaselearn.commands.options import options_of
from phaselearn.commands.settings import check
from phaselearn.commands.starts_names import begin_and_network, short_name, starts_words, unknown_starts
from phaselearn.data.datamodule import PairDataModule
from phaselearn.data.sources.given import crystals_given
from phaselearn.determination.determination import Determination, Trial
from phaselearn.determination.pipeline import determine_structure
from phaselearn.measured.readers import read_reflections
from phaselearn.measured.reflection_data import ReflectionData
from phaselearn.models.base import DensityModel
from phaselearn.phasing.solution import TrialSolver
from phaselearn.prediction.predictor import Prediction
from phaselearn.threads import limited_to

__all__ = ["PairDataModule", "build_data", "load_data", "load_model", "predict", "read_reflections", "solve"]

_TRUSTING = "trust=True"
_LONGEST_EDGE = 30.0  # Å, as in conf/data


def solve(
    reflections: ReflectionData | str | Path,
    *,
    starts: str = "isotypes_classical",
    seconds: float = 60.0,
    seed: int = 0,
    threads: int = 1,
    report: Callable[[Trial], None] = lambda trial: None,
) -> Determination:
    """Determine a structure from measured reflections, as `phaselearn solve` does, without writing anything.

    Args:
        reflections: the result of `read_reflections`, or the path of a file that states the cell.
        starts: source of the trial phases: an option of conf/starts, such as `classical`, `unrolled` or `random`, or
            the run folder of a network.
        seconds: wall-clock time for the search.
        seed: seed of the trial phases.
        threads: threads of the processor.
        report: told of every trial.

    Raises:
        UserError: the file cannot be read, there are no such starts, or there are too few reflections.
    """
    data = reflections if isinstance(reflections, ReflectionData) else read_reflections(Path(reflections))
    with limited_to(threads):
        return determine_structure(data, starts_named(starts, seed), short_name(starts), seconds, report)


def starts_named(name: str, seed: int) -> TrialSolver:
    """Return an option of conf/starts or the network of a run folder, ready to phase crystals.

    Raises:
        UserError: there are no such starts.
    """
    from hydra.utils import instantiate

    words = starts_words(f"starts={name}")
    if not (names_network(begin_and_network(name)[1]) if len(words) > 1 else name in options_of("starts")):
        raise unknown_starts(name)
    search: TrialSolver = instantiate(composed("solve", *words, f"seed={seed}").search)
    return search


def load_model(network: str | Path, *, checkpoint: str = "best", trust: bool = False) -> DensityModel:
    """Return a trained network, ready to predict: `model(batch)` is a density (B, N, N, N).

    Args:
        network: a run folder, such as `outputs/look`; a checkpoint that a run wrote, wherever it is now; or the name of
            weights of the package (`phaselearn weights`).
        checkpoint: `best` or `last`, for a run folder.
        trust: whether it may name classes that no installed package provides.

    Raises:
        UserError: there is no such network, its configuration is refused, or its checkpoint cannot be read.
    """
    return find_network(network, checkpoint, trust, _TRUSTING).model()


def predict(
    network: str | Path,
    structures: Iterable[Any],
    *,
    observation: str | None = None,
    checkpoint: str = "best",
    seed: int = 0,
    batch_size: int = 32,
    trust: bool = False,
) -> Iterator[Prediction]:
    """Apply a trained network to structures, one prediction for each, in their order and in the cells that they have.

    Args:
        network: a run folder, a checkpoint, or the name of weights of the package, as for `load_model`.
        structures: paths of structure files, pymatgen's `Structure`, ASE's `Atoms`, or crystals.
        observation: limits and errors of the measured intensities, an option of conf/observation such as `d1.5`; None
            for those of the network's training.
        checkpoint: `best` or `last`, for a run folder.
        seed: seed of noise, missing reflections and starting phases.
        batch_size: number of crystals that are predicted together.
        trust: whether the network may name classes that no installed package provides.

    Raises:
        UserError: there is no such network or observation, or a structure cannot be used.
    """
    from hydra.utils import instantiate

    measured = None
    if observation is not None:
        measured = instantiate(composed("train", f"observation={observation}").observation)
    predictor = find_network(network, checkpoint, trust, _TRUSTING).predictor(measured, seed, batch_size, device="cpu")
    return predictor.predictions(crystals_given(structures, _LONGEST_EDGE, predictor.regime.definition.scattering))


def load_data(run: str | Path, *, trust: bool = False) -> PairDataModule:
    """Return the data of a run folder, prepared as the run's network reads them.

    Args:
        run: a run folder, such as `outputs/look`.
        trust: whether the folder may name classes that no installed package provides.

    Raises:
        UserError: the folder is not a run, or its configuration is refused.
    """
    return session.build_data(run_config(Path(run), trust, _TRUSTING))


def build_data(*choices: str) -> PairDataModule:
    """Return the data that `phaselearn train` with these choices trains on.

    Args:
        choices: as on the command line: `"data=hkl10_full"`, `"source.count=300"`, `"data.store=my.zarr"`.

    Raises:
        UserError: a choice is not allowed.
    """
    config = composed("train", *choices)
    check(config, "train")
    return session.build_data(config)
