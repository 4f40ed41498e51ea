"""The cost of a loss: against brute force, dense optimal transport and a training step, and how it grows with the grid.

    OMP_NUM_THREADS=1 python benchmarks/losses.py [--smallest-epsilon]

Forward and backward, medians. Prints one line a figure, `name: value (at least|at most BOUND) ok|short`, a table, and
exits 1 if one falls short. With `--smallest-epsilon` it measures instead, for many minutes, down to which ε `sinkhorn`
stays accurate on each grid.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from itertools import product
from statistics import median

import numpy as np
import ot
import torch
from figures import Figures, state_machine
from hydra.utils import instantiate
from torch import Tensor

from phaselearn.commands.memory import keep_freed_memory
from phaselearn.data.build.write_pairs import compute_pairs
from phaselearn.data.pairs import PairDefinition
from phaselearn.data.sources.prototypes import Prototypes
from phaselearn.data.structures import Crystal
from phaselearn.losses.base import Loss
from phaselearn.losses.mse import MeanSquaredError
from phaselearn.losses.shift_invariant import ShiftInvariant
from phaselearn.losses.sinkhorn import Sinkhorn
from phaselearn.losses.torus import squared_distance
from phaselearn.testing.options import composed, options

SIZE, BATCH = 20, 32
SHIFTS_TIMED = 40  # of 2·20³ that brute force tries; the rest is scaled
UNET_BATCH = 4  # a step of 32 is taken as eight of these
GRIDS, GRID_BATCH = (10, 14, 20, 28, 40), 4
EPSILONS = {10: (0.1, 0.05, 0.02), 20: (0.2, 0.1, 0.05), 40: (0.5, 0.2, 0.1)}  # Å², by grid; the last take minutes


def pairs(crystals: list[Crystal], size: int) -> tuple[Tensor, dict[str, Tensor]]:
    """Return predictions, neither right nor noise, and their batch with targets, at unit deviation."""
    definition = PairDefinition(
        size, "full", "atomic_number", 0.0, "atomic_number", 0.225, "fractional", "band_limited"
    )
    intensity, density = (torch.from_numpy(np.asarray(values)) for values in compute_pairs(crystals, definition))
    density = density / density.std((1, 2, 3), keepdim=True)
    noise = torch.randn(density.shape, generator=torch.Generator().manual_seed(0))
    lattice = torch.from_numpy(np.stack([crystal.lattice for crystal in crystals])).float()
    batch = {"density": density, "intensity": intensity, "observed": intensity > 0, "lattice": lattice}
    return density.roll((1, 2, 3), (1, 2, 3)) + 0.5 * noise, batch


def seconds(function: Callable[[], object], least: int = 3, patience: float = 1.0) -> float:
    """Return the median time of a function: `least` calls, and further ones while patience lasts."""
    times: list[float] = []
    while len(times) < least or sum(times) < patience:
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return median(times)


def forward_and_backward(loss: Loss, prediction: Tensor, batch: dict[str, Tensor]) -> Callable[[], None]:
    def step() -> None:
        leaf = prediction.detach().requires_grad_()
        loss(leaf, batch["density"], batch).mean().backward()

    return step


def brute_force(prediction: Tensor, target: Tensor) -> float:
    """Return the seconds that the least squared error over all shifts and both hands takes, tried one by one."""
    base, size = MeanSquaredError(), target.shape[-1]
    shifts = list(product(range(size), repeat=3))[:: size**3 // (SHIFTS_TIMED // 2)][: SHIFTS_TIMED // 2]

    def search() -> Tensor:
        best = torch.full((len(prediction),), torch.inf)
        for hand in (target, target.flip(1, 2, 3)):
            for shift in shifts:
                best = torch.minimum(best, base(prediction, hand.roll(shift, (1, 2, 3)), {}))
        return best

    with torch.no_grad():
        return seconds(search) * size**3 * 2 / SHIFTS_TIMED


def unet_step(batch: dict[str, Tensor]) -> float:
    """Return the seconds of a training step of `unet3d` on a whole batch."""
    from phaselearn.commands.session import build_data, build_model

    config = composed("model=unet3d", "data=hkl20_full")
    model = build_model(config, build_data(config).definition)
    optimizer = model.configure_optimizers()
    part = {name: values[:UNET_BATCH] for name, values in batch.items()}
    part["input"] = part["density"]

    def step() -> None:
        optimizer.zero_grad()
        model.loss(model(part), part["density"], part).mean().backward()
        optimizer.step()

    return seconds(step, least=2) * len(batch["density"]) / UNET_BATCH


def dense_divergence(first: Tensor, second: Tensor, lattice: Tensor, epsilon: float) -> tuple[float, float]:
    """Return the Sinkhorn divergence by POT on the matrix of all pairs of voxels, and its seconds without the matrix.

    The potentials are its gradient: there is nothing to add for the backward pass.
    """
    size = first.shape[-1]
    place = np.stack(np.unravel_index(np.arange(size**3), (size,) * 3), -1).astype(np.int16)
    apart = (place[:, None] - place[None]) % size
    cost = squared_distance(lattice.double(), (size,) * 3)[0].numpy()[apart[..., 0], apart[..., 1], apart[..., 2]]
    del apart
    masses = [(mass / mass.sum()).double().flatten().numpy() for mass in (first, second)]
    start = time.perf_counter()

    def transport(a: np.ndarray, b: np.ndarray) -> float:
        # The L2 norm of the marginal's error is √V times smaller than our share of the mass where it is spread evenly.
        stop = Sinkhorn().tolerance / size**1.5
        _, log = ot.sinkhorn(a, b, cost, epsilon, numItermax=10000, stopThr=stop, log=True)
        return epsilon * (a @ np.log(log["u"] / a) + b @ np.log(log["v"] / b))

    across, own, theirs = (transport(masses[i], masses[j]) for i, j in ((0, 1), (0, 0), (1, 1)))
    return across - own / 2 - theirs / 2, time.perf_counter() - start


def growth(crystals: list[Crystal]) -> None:
    """Print the milliseconds a crystal of every option of conf/loss, and the exponent of its growth with the grid."""
    measured: dict[str, list[float]] = {}
    for size in GRIDS:
        prediction, batch = pairs(crystals, size)
        for option in options("loss"):
            loss = instantiate(composed(f"loss={option}", "data=hkl20_full").loss)
            step = forward_and_backward(loss, prediction, batch)
            step()
            measured.setdefault(option, []).append(1e3 * seconds(step, patience=0.3) / len(crystals))
    print(f"\nmilliseconds a crystal, forward and backward, batches of {len(crystals)}:\n")
    print("| loss | " + " | ".join(f"{size}³" for size in GRIDS) + " | exponent of N |")
    print("|---" + "|---:" * (len(GRIDS) + 1) + "|")
    for option, times in measured.items():
        exponent = np.polyfit(np.log(GRIDS), np.log(times), 1)[0]
        print(f"| {option} | " + " | ".join(f"{value:.3g}" for value in times) + f" | {exponent:.1f} |", flush=True)


def smallest_epsilon(crystals: list[Crystal]) -> None:
    """Print how far Sinkhorn's iterations at most are from ten times as many, the prediction being another crystal."""
    Sinkhorn.smallest_epsilon = {}  # it is what is measured here
    for size, epsilon in ((size, epsilon) for size, every in EPSILONS.items() for epsilon in every):
        _, batch = pairs(crystals, size)
        target = batch["density"].double()
        losses = [Sinkhorn(epsilon, max_iterations=times * Sinkhorn().max_iterations) for times in (1, 10)]
        start = time.perf_counter()
        given, exact = (loss(target.roll(1, 0), target, {"lattice": batch["lattice"]}) for loss in losses)
        took = (time.perf_counter() - start) / len(crystals) / 2
        print(f"{size}³, ε = {epsilon} Å²: largest error {(given / exact - 1).abs().max():.1e}, {took:.1f} s a crystal")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--smallest-epsilon", action="store_true")
    given = arguments.parse_args()
    state_machine()
    keep_freed_memory()
    if given.smallest_epsilon:
        smallest_epsilon([crystal for crystal in Prototypes(3, 2, "primitive") if isinstance(crystal, Crystal)])
        return
    figures = Figures()
    crystals = [crystal for crystal in Prototypes(BATCH, 0, "primitive") if isinstance(crystal, Crystal)]
    prediction, batch = pairs(crystals, SIZE)

    step = forward_and_backward(ShiftInvariant(), prediction, batch)
    step()
    ours = seconds(step)
    figures.state(f"shift_invariant, milliseconds a batch of {len(crystals)} at {SIZE}³", 1e3 * ours)
    tried = brute_force(prediction, batch["density"])
    figures.at_least("shift_invariant against brute force, of which a few shifts are timed", tried / ours, 500)
    figures.at_most("shift_invariant, share of a training step of unet3d", ours / unet_step(batch), 0.05)

    # POT divides by the masses: none may be empty.
    loss, prediction, batch["density"] = Sinkhorn(), prediction.clamp_min(1e-3), batch["density"].clamp_min(1e-3)
    step = forward_and_backward(loss, prediction, batch)
    step()
    ours = seconds(step, least=2) / len(crystals)
    figures.state(f"sinkhorn, milliseconds a crystal at ε = {loss.epsilon} Å²", 1e3 * ours)
    value = loss(prediction[:1], batch["density"][:1], {"lattice": batch["lattice"][:1]}).item()
    dense, by_pot = dense_divergence(prediction[:1], batch["density"][:1], batch["lattice"][:1], loss.epsilon)
    figures.state("sinkhorn, seconds a crystal by POT on the dense matrix", by_pot)
    figures.at_most("sinkhorn, relative difference from POT", abs(value / dense - 1), 1e-3)
    figures.at_least("sinkhorn against POT", by_pot / ours, 100)

    growth(crystals[:GRID_BATCH])
    figures.finish()


if __name__ == "__main__":
    main()
