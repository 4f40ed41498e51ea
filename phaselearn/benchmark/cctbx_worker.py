"""Charge flipping by cctbx, in a process of its own: `python cctbx_worker.py INPUT.npz OUTPUT.npz`.

It is started as a script: importing this package would load pymatgen and gemmi into the same process as cctbx, which
crashes.

INPUT holds `cell` (B, 6) in Å and degrees, `offset` (B + 1,), `hkl` (m, 3) one of each Friedel pair, `amplitude`
(m,), `seed` (B,), and `time_limit` in seconds of processor time for each crystal. OUTPUT holds `factor` (m,) complex,
zero where cctbx failed, and `seconds` (B,) of processor time.
"""

import random
import sys
import time

import numpy as np
from cctbx import crystal, miller
from cctbx.array_family import flex
from smtbx.ab_initio import charge_flipping

_SETTLING, _POLISHING = 20, 10  # cycles


class GrowingInteger(int):
    """An int that remains an int when cctbx multiplies its largest number of iterations by 1.5."""

    def __mul__(self, factor: float) -> "GrowingInteger":
        return GrowingInteger(int(int(self) * factor))


def solve(cell: np.ndarray, hkl: np.ndarray, amplitude: np.ndarray, seed: int, time_limit: float) -> np.ndarray:
    """Return the structure factors (m,) complex of one crystal in P1."""
    flex.set_random_seed(seed)
    random.seed(seed)
    indices = flex.miller_index([tuple(int(value) for value in row) for row in hkl])
    symmetry = crystal.symmetry(unit_cell=tuple(cell), space_group_symbol="P1")
    miller_set = miller.set(symmetry, indices, anomalous_flag=False)
    observed = miller_set.array(data=flex.double(amplitude)).set_observation_type_xray_amplitude()
    flipping = charge_flipping.weak_reflection_improved_iterator()
    solving = charge_flipping.solving_iterator(
        flipping, observed, max_solving_iterations=GrowingInteger(500), yield_solving_interval=10
    )
    deadline = time.process_time() + time_limit
    for _ in solving:
        if solving.state is solving.finished or time.process_time() > deadline:
            break
    # cctbx stops at the phase transition, with a fifth of the phases shifted by π/2: the map is right, but rough.
    # Further cycles let it settle and polish it, as cctbx's own evaluation does.
    for _ in range(_SETTLING):
        next(flipping)
    polishing = charge_flipping.low_density_elimination_iterator(constant_rho_c=None)
    polishing.start(flipping.f_obs, flipping.f_calc, f_000=0)
    for _ in range(_POLISHING):
        next(polishing)
    return _in_order(polishing.f_calc, hkl)


def _in_order(found: miller.array, hkl: np.ndarray) -> np.ndarray:
    values = {}
    for index, value in zip(found.indices(), found.data(), strict=True):
        values[index] = value
        values[tuple(-part for part in index)] = value.conjugate()
    return np.array([values.get(tuple(int(part) for part in row), 0) for row in hkl], dtype=np.complex128)


def main() -> None:
    """Solve every crystal of the input; one that cctbx cannot handle stays zero."""
    given = np.load(sys.argv[1], allow_pickle=False)
    offset = given["offset"]
    factor = np.zeros(len(given["amplitude"]), dtype=np.complex128)
    seconds = np.zeros(len(offset) - 1)
    for place in range(len(offset) - 1):
        part = slice(offset[place], offset[place + 1])
        start = time.process_time()
        try:
            factor[part] = solve(
                given["cell"][place],
                given["hkl"][part],
                given["amplitude"][part],
                int(given["seed"][place]),
                float(given["time_limit"]),
            )
        except Exception as error:
            # cctbx raises on some small cells: such a crystal counts as unsolved, and the benchmark continues.
            print(f"crystal {place}: {error}", file=sys.stderr)
        seconds[place] = time.process_time() - start
    np.savez(sys.argv[2], factor=factor, seconds=seconds)


if __name__ == "__main__":
    main()
