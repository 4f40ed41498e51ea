"""Outside programs as contenders: the same |F| through a neutral file, in processes of their own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import gemmi
import numpy as np
import torch
from torch import Tensor

from phaselearn.benchmark.regimes import InputPreparation, Regime
from phaselearn.benchmark.runner import Timed
from phaselearn.crystal.layout import miller_box, shape_of
from phaselearn.crystal.observed import Observed
from phaselearn.data.batch import Batch
from phaselearn.errors import UserError, choose
from phaselearn.metrics.phasing import observed_of
from phaselearn.phasing.solution import Solution
from phaselearn.report.training_set import TrainingSet

PEERS = ("cctbx",)
_NEGLIGIBLE = 1e-2  # of the largest amplitude


@dataclass(frozen=True)
class Cctbx:
    """`smtbx.ab_initio.charge_flipping` in P1 with its own defaults.

    It gets the amplitudes that the other methods flip, |F|·exp(−B s²/4) with B = 4 Å².

    Attributes:
        time_limit: seconds of processor time for each crystal.
    """

    time_limit: float
    name: str = "cctbx"
    preparation: InputPreparation = field(default_factory=InputPreparation)
    training: TrainingSet | None = None

    @property
    def identity(self) -> str:
        """Version and time limit."""
        try:
            return f"cctbx-base {version('cctbx-base')} {self.time_limit}"
        except PackageNotFoundError as error:
            raise UserError(
                "peers=[cctbx] needs cctbx, which is not installed: `pip install phaselearn[peers]`"
            ) from error

    def fits(self, regime: Regime) -> bool:
        """Return True: it can read the data of any regime."""
        return True

    def run(self, batch: Batch, regime: Regime) -> list[Timed]:
        """Phase a batch in another process; there is one stage.

        Raises:
            UserError: the process failed.
        """
        factors, seconds = cctbx_phases(observed_of(batch, regime.definition), batch["row"].tolist(), self.time_limit)
        return [Timed.only(Solution(factors), seconds)]


def cctbx_phases(observed: Observed, seeds: Sequence[int], time_limit: float) -> tuple[Tensor, float]:
    """Phase B crystals by cctbx.

    Args:
        observed: the crystals' reflections.
        seeds: (B,) seeds of the starting phases.
        time_limit: seconds of processor time for each crystal.

    Returns:
        FFT boxes (B, n₁, n₂, n₃) complex, zero where cctbx failed, and the seconds of processor time for all crystals.

    Raises:
        UserError: the process failed.
    """
    amplitude = observed.map_amplitude()
    # Reflections that the blur erases would only make cctbx choose a grid ten times finer.
    strong = amplitude > _NEGLIGIBLE * amplitude.flatten(1).amax(1)[:, None, None, None]
    reflections = [_unique_reflections(mask) for mask in observed.mask & strong]
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "amplitudes.npz", Path(folder) / "phases.npz"
        np.savez(
            source,
            cell=np.array([_cell(lattice) for lattice in observed.lattice.double().numpy()]),
            offset=np.concatenate(([0], np.cumsum([len(hkl) for hkl in reflections]))),
            hkl=torch.cat(reflections).numpy(),
            amplitude=torch.cat(
                [values[tuple(hkl.T)] for values, hkl in zip(amplitude, reflections, strict=True)]
            ).double(),
            seed=np.array(seeds),
            time_limit=time_limit,
        )
        worker = Path(__file__).with_name("cctbx_worker.py")
        command = [sys.executable, "-P", str(worker), str(source), str(target)]
        finished = subprocess.run(command, capture_output=True, text=True)
        if finished.returncode:
            last = (finished.stderr.strip().splitlines() or ["no message"])[-1]
            raise UserError(f"cctbx stopped ({last}): try `pip install --upgrade phaselearn[peers]`")
        solved = np.load(target, allow_pickle=False)
        factor, seconds = torch.from_numpy(solved["factor"]), float(solved["seconds"].sum())
    box = torch.zeros(amplitude.shape, dtype=torch.complex64)
    for row, (hkl, values) in enumerate(zip(reflections, factor.split([len(hkl) for hkl in reflections]), strict=True)):
        box[(row, *hkl.T)] = values.to(box.dtype)
        box[(row, *(-hkl).T)] = values.conj().to(box.dtype)
    return box, seconds


def _cell(lattice: np.ndarray) -> list[float]:
    lengths = np.linalg.norm(lattice, axis=1)
    cosines = [lattice[i] @ lattice[j] / (lengths[i] * lengths[j]) for i, j in ((1, 2), (0, 2), (0, 1))]
    cell = gemmi.UnitCell(*lengths, *np.degrees(np.arccos(cosines)))
    return list(cell.parameters)


def _unique_reflections(mask: Tensor) -> Tensor:
    """Return the Miller indices (m, 3) of the reflections in a mask (n₁, n₂, n₃), one of each Friedel pair."""
    along = miller_box(shape_of(mask))
    hkl = torch.stack([index[place] for index, place in zip(along, mask.nonzero().T, strict=True)], 1)
    # The last index that is not zero is positive.
    digits = hkl.sign() * torch.tensor([1, 3, 9])
    return hkl[digits.sum(-1) > 0]


def peer(name: str, time_limit: float) -> Cctbx:
    """Return a peer by name.

    Raises:
        UserError: no peer has this name.
    """
    choose("peers", name, PEERS, command="phaselearn benchmark", listed=True)
    return Cctbx(time_limit)
