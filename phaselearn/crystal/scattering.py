"""How atoms scatter: point atoms, or tabulated factors of X-rays, electrons and neutrons; displacement and occupancy.

Every factor is a sum of Gaussians, f(s) = Σ_i a_i exp(−b_i s²/4). A point atom, or a nucleus, is one term with b = 0,
and so is the constant of the X-ray tables. An isotropic displacement U adds 8π²U to each b.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import gemmi
import torch
from torch import Tensor

from phaselearn.crystal.choices import LARGEST_ATOMIC_NUMBER, SCATTERING
from phaselearn.crystal.rows import Rows
from phaselearn.errors import UserError

_TERMS = 5
_WIDTH_OF_U = 8 * math.pi**2  # B = 8π²U


@dataclass(frozen=True)
class Scattering(Rows):
    """How the atoms of a batch of crystals scatter.

    Attributes:
        probe: a name in `SCATTERING` for all crystals, or (B,) int64, the index in it for each crystal.
        u_iso: (B, A) isotropic displacement parameters U in Å²; None for atoms at rest.
        occupancy: (B, A) occupancies of the sites; None where all are full.
    """

    probe: str | Tensor = "atomic_number"
    u_iso: Tensor | None = None
    occupancy: Tensor | None = None

    def __post_init__(self) -> None:
        if isinstance(self.probe, str) and self.probe not in SCATTERING:
            raise ValueError(f"unknown scattering '{self.probe}': allowed are {', '.join(SCATTERING)}")

    @classmethod
    def of(cls, given: str | Scattering) -> Scattering:
        """Return the scattering; a name alone stands for atoms at rest on full sites."""
        return cls(given) if isinstance(given, str) else given

    def probes(self, numbers: Tensor) -> Tensor:
        """Return the index of each atom's probe in `SCATTERING`, int64 (B, A), for atomic numbers (B, A)."""
        if isinstance(self.probe, str):
            return torch.full_like(numbers, SCATTERING.index(self.probe))
        return self.probe.to(numbers.device)[:, None].expand_as(numbers)


@cache
def _gaussians() -> tuple[Tensor, Tensor]:
    """Return amplitudes a_i and widths b_i (Å²), each (probe, Z, 5) float64.

    X-rays: International Tables C (1992), table 6.1.1.4, in electrons. Electrons: table 4.3.2.2, in Å. Neutrons: the
    coherent scattering lengths of Neutron News 3 (1992), in fm; 0 where none is known, see `unknown_elements`. All as
    gemmi tabulates them.
    """
    amplitude = torch.zeros(len(SCATTERING), LARGEST_ATOMIC_NUMBER + 1, _TERMS, dtype=torch.float64)
    width = torch.zeros_like(amplitude)
    for number in range(1, LARGEST_ATOMIC_NUMBER + 1):
        element = gemmi.Element(number)
        terms = (
            ((float(number),), ()),
            ((element.it92.c, *element.it92.a), (0.0, *element.it92.b)),
            (element.c4322.a, element.c4322.b),
            (element.neutron92.get_coefs(), ()),
        )
        for probe, (a, b) in enumerate(terms):
            amplitude[probe, number, : len(a)] = torch.tensor(a, dtype=torch.float64)
            width[probe, number, : len(b)] = torch.tensor(b, dtype=torch.float64)
    return amplitude, width


def unknown_elements(numbers: Tensor, probes: Tensor) -> list[str]:
    """Return the symbols of atoms whose scattering by their probe is not known, each once.

    These are Po, At, Rn, Fr, Ac, Pu, Bk and Cf, of which nobody has measured how neutrons scatter.

    Args:
        numbers: (...) atomic numbers, 0 for padding.
        probes: (...) indices in `SCATTERING`, int64.
    """
    amplitude, _ = _gaussians()
    unknown = ~amplitude.any(-1).to(numbers.device)[probes, numbers] & (numbers > 0)
    return [gemmi.Element(number).name for number in numbers[unknown].unique().tolist()]


def _check_known(numbers: Tensor, probes: Tensor) -> None:
    unknown = unknown_elements(numbers, probes)
    if unknown:
        raise UserError(
            f"no scattering length for neutrons is known of {', '.join(unknown)}: leave out crystals that contain such "
            "an element, or take another probe, e.g. data.definition.scattering=xray"
        )


def form_factors(numbers: Tensor, probes: Tensor, inverse_d_squared: Tensor) -> Tensor:
    """Return the scattering factors of atoms at rest.

    Args:
        numbers: (...) atomic numbers, 0 for padding.
        probes: (...) indices in `SCATTERING`, int64.
        inverse_d_squared: (..., n₁, n₂, n₃) values of s² in 1/Å².

    Returns:
        (..., n₁, n₂, n₃) in electrons (point atoms and X-rays), Å (electrons) or fm (neutrons), in the precision of
        `inverse_d_squared`.

    Raises:
        UserError: how an element scatters is not known.
    """
    _check_known(numbers, probes)
    extra = (...,) + (None,) * (inverse_d_squared.ndim - numbers.ndim)
    amplitude, width = (table.to(inverse_d_squared)[probes, numbers] for table in _gaussians())
    quarter = inverse_d_squared / 4
    result = torch.zeros_like(quarter)
    for term in range(_TERMS):
        a, b = amplitude[..., term], width[..., term]
        if not b.any():
            result += a[extra]  # a point
        else:
            result += a[extra] * torch.exp(-b[extra] * quarter)
    return result


def point_weights(numbers: Tensor, scattering: Scattering, dtype: torch.dtype) -> Tensor | None:
    """Return the scattering factors (B, A) of atoms, 0 for padding; None if they depend on s.

    Args:
        numbers: (B, A) atomic numbers, 0 for padding.
        scattering: probe, displacements and occupancies of the atoms.
        dtype: precision of the result.

    Raises:
        UserError: how an element scatters is not known.
    """
    if scattering.u_iso is not None:
        return None
    probes = scattering.probes(numbers)
    _check_known(numbers, probes)
    amplitude, width = (table.to(numbers.device)[probes, numbers] for table in _gaussians())
    return None if width.any() else with_occupancy(amplitude.sum(-1).to(dtype), scattering)


def with_occupancy(weights: Tensor, scattering: Scattering) -> Tensor:
    """Return weights (B, A) of atoms times their occupancies."""
    return weights if scattering.occupancy is None else weights * scattering.occupancy.to(weights)


def debye_waller(u_iso: Tensor, inverse_d_squared: Tensor) -> Tensor:
    """Return exp(−8π²U s²/4) for U (...) in Å² and s² (..., n₁, n₂, n₃) in 1/Å²."""
    extra = (...,) + (None,) * (inverse_d_squared.ndim - u_iso.ndim)
    return torch.exp(u_iso[extra].to(inverse_d_squared) * (-_WIDTH_OF_U / 4) * inverse_d_squared)
