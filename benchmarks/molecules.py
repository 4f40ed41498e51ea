"""Random molecular crystals: how fast they come, and how much they are like known ones.

    python benchmarks/molecules.py [--count 300] [--known FILE --plot TARGET.png]

Prints one line a figure, `name: value (at least|at most BOUND) ok|short`, and exits 1 if one falls short. FILE holds
known structures as JSON lines; its crystals with carbon and hydrogen are drawn beside the random ones. All atoms are at
rest for this, since such files hold no displacements.
"""

from __future__ import annotations

import argparse
import math
import time
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import gemmi
import matplotlib
import numpy as np
from figures import Figures, state_machine
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from molecular_contacts import contacts

from phaselearn.benchmark.table import is_centrosymmetric, is_molecular
from phaselearn.data.sources.file import File
from phaselearn.data.sources.molecular.source import Molecular
from phaselearn.data.structures import Crystal
from phaselearn.report.figures import STYLE

FINEST = 0.8  # Å
REFLECTIONS = 1500  # of each crystal, at random
SHELLS = 12
BLOCK = 20  # crystals that are timed at once
COLOURS = {"random": "#2a6fbb", "known": "#d1602a"}


@dataclass(frozen=True)
class Statistics:
    """Figures of a set of crystals that are compared.

    Attributes:
        rooms: volume of each crystal for each atom but hydrogen, in Å³.
        groups: number of crystals in each space group.
        nearest: distances of atoms of different molecules, hydrogen left out, less their van der Waals radii, in Å.
        wilson: ln(⟨I⟩/Σf²) in shells of s², each crystal's mean taken away: s² (m,) and its mean over crystals (m,).
        intensities: normalised intensities z = E² of centric and of acentric crystals.
    """

    rooms: np.ndarray
    groups: Counter[int]
    nearest: np.ndarray
    wilson: tuple[np.ndarray, np.ndarray]
    intensities: dict[bool, np.ndarray]


@cache
def form_factors(number: int) -> gemmi.IT92Coef:
    """Return the coefficients of an element's form factor for X-rays."""
    return gemmi.Element(number).it92


def reflections(crystal: Crystal, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return s² (n,) in 1/Å² and intensities (n,), relative to Σf², of random general reflections."""
    most = np.floor(np.linalg.norm(crystal.lattice, axis=1) / FINEST)
    indices = draw.integers(-most, most + 1, size=(20 * REFLECTIONS, 3))
    indices = np.unique(indices[(indices != 0).all(1)], axis=0)
    star = np.linalg.inv(crystal.lattice)
    squares = np.square(indices @ star.T).sum(1)
    inside = np.flatnonzero(squares < 1 / FINEST**2)
    chosen = draw.permutation(inside)[:REFLECTIONS]
    indices, squares = indices[chosen], squares[chosen]
    factors = {
        number: np.array([form_factors(number).calculate_sf(square / 4) for square in squares])
        for number in set(crystal.numbers.tolist())
    }
    table = np.stack([factors[number] for number in crystal.numbers.tolist()], axis=1)
    amplitude = (table * np.exp(2j * math.pi * (indices @ crystal.positions.T))).sum(1)
    return squares, np.square(np.abs(amplitude)) / np.square(table).sum(1)


def statistics(crystals: list[Crystal]) -> Statistics:
    """Return the figures of some crystals."""
    draw = np.random.default_rng(0)
    radii = np.array([gemmi.Element(number).vdw_r for number in range(119)])
    edges = np.linspace(0.02, 1 / FINEST**2, SHELLS + 1)
    nearest, curves = [], []
    intensities: dict[bool, list[np.ndarray]] = {True: [], False: []}
    for crystal in crystals:
        pairs, distances, _ = contacts(crystal)
        heavy = (crystal.numbers[pairs] > 1).all(1)
        nearest.append(distances[heavy] - radii[crystal.numbers[pairs[heavy]]].sum(1))
        squares, values = reflections(crystal, draw)
        shell = np.digitize(squares, edges) - 1
        found = [values[shell == number] for number in range(SHELLS)]
        means = np.array([each.mean() if len(each) else np.nan for each in found])
        curves.append(np.log(means) - np.nanmean(np.log(means)))
        inside = (shell >= 0) & (shell < SHELLS)
        intensities[is_centrosymmetric(crystal.space_group)].append(values[inside] / means[shell[inside]])
    return Statistics(
        rooms=np.array([abs(np.linalg.det(each.lattice)) / (each.numbers > 1).sum() for each in crystals]),
        groups=Counter(crystal.space_group for crystal in crystals),
        nearest=np.concatenate(nearest),
        wilson=((edges[1:] + edges[:-1]) / 2, np.nanmean(curves, axis=0)),
        intensities={key: np.concatenate(each) if each else np.empty(0) for key, each in intensities.items()},
    )


def draw_figure(compared: dict[str, Statistics], target: Path) -> None:
    """Draw the statistics of some sets, each in its colour."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(10.5, 6.2), layout="constrained")
        FigureCanvasAgg(figure)
        panels = figure.subplots(2, 3).ravel()
        for name, each in compared.items():
            colour = COLOURS[name]
            style = {"color": colour, "label": name, "histtype": "step", "density": True, "linewidth": 1.4}
            panels[0].hist(each.rooms, np.arange(12, 31, 1.0), **style)
            panels[2].hist(each.nearest, np.arange(-0.8, 0.41, 0.05), **style)
            panels[3].plot(*each.wilson, color=colour, label=name, marker="o", markersize=3)
        groups(panels[1], compared)
        for place, centric in ((4, True), (5, False)):
            cumulative(panels[place], compared, centric)
        for panel, title, label in (
            (panels[0], "volume for each atom but H", "Å³"),
            (panels[2], "contacts without H, less the radii", "Å"),
            (panels[3], "Wilson plot, atoms at rest: ln(⟨I⟩/Σf²)", "s² in 1/Å²"),
        ):
            panel.set_title(title)
            panel.set_xlabel(label)
        panels[0].legend(frameon=False)
        figure.savefig(target)


def groups(axes: Axes, compared: dict[str, Statistics]) -> None:
    """Draw the shares of the most frequent space groups."""
    first = next(iter(compared.values()))
    names = [number for number, _ in first.groups.most_common(9)]
    for shift, (name, each) in zip((-0.2, 0.2), compared.items(), strict=False):
        shares = [100 * each.groups[number] / each.groups.total() for number in names]
        axes.bar(np.arange(len(names)) + shift, shares, 0.4, color=COLOURS[name])
    labels = [gemmi.find_spacegroup_by_number(number).short_name() for number in names]
    axes.set_xticks(range(len(names)), labels, rotation=50)
    axes.set_title("space groups, %")


def cumulative(axes: Axes, compared: dict[str, Statistics], centric: bool) -> None:
    """Draw N(z), the share of reflections with E² below z, with that of Wilson's statistics."""
    z = np.linspace(0, 2, 81)
    theory = [math.erf(math.sqrt(value / 2)) for value in z] if centric else 1 - np.exp(-z)
    kind = "with a centre" if centric else "without a centre"
    ideal = 0.968 if centric else 0.736
    axes.plot(z, theory, color="#888888", linestyle="--", label=f"Wilson, {ideal}")
    for name, each in compared.items():
        values = np.sort(each.intensities[centric])
        if len(values):
            moment = np.abs(values - 1).mean()
            share = np.searchsorted(values, z) / len(values)
            axes.plot(z, share, color=COLOURS[name], label=f"{name}, ⟨|E² − 1|⟩ {moment:.3f}")
    axes.set_title(f"N(z) {kind}")
    axes.set_xlabel("z = E²")
    axes.legend(frameon=False)


def seconds_a_crystal(source: Molecular) -> float:
    """Return the processor time of a crystal, the median of ten blocks, after most fragments have been used."""
    for number in range(10 * BLOCK):
        source.crystal(number)
    times = []
    for block in range(10, 20):
        start = time.process_time()
        for number in range(block * BLOCK, (block + 1) * BLOCK):
            source.crystal(number)
        times.append((time.process_time() - start) / BLOCK)
    return float(np.median(times))


def main() -> None:
    """Measure, and draw if asked to."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--count", type=int, default=300, help="number of random crystals")
    arguments.add_argument("--known", type=Path, help="JSON-lines file")
    arguments.add_argument("--plot", type=Path, help="PNG to write; needs --known")
    given = arguments.parse_args()
    state_machine()
    figures = Figures()
    source = Molecular(given.count, 1, "primitive", (6, 60), hydrogen=True)
    figures.at_least("crystals a second of one core", 1 / seconds_a_crystal(source), 20)
    compared = {"random": statistics(list(source))}
    if given.known is not None:
        entries = File(str(given.known), None, licence="", attribution="")
        known = [entry for entry in entries if isinstance(entry, Crystal) and is_molecular(entry.formula)]
        compared["known"] = statistics(known)
    for name, each in compared.items():
        low, median, high = np.percentile(each.rooms, (10, 50, 90))
        figures.state(f"{name}: volume for each atom but H, 10 %, Å³", low)
        figures.state(f"{name}: volume for each atom but H, median, Å³", median)
        figures.state(f"{name}: volume for each atom but H, 90 %, Å³", high)
        figures.state(f"{name}: contacts, first 1 %, Å less than the radii", -float(np.percentile(each.nearest, 1)))
        for centric, values in each.intensities.items():
            if len(values):
                kind = "with" if centric else "without"
                figures.state(f"{name}: mean |E² − 1| {kind} a centre", float(np.abs(values - 1).mean()))
    if given.plot is not None:
        draw_figure(compared, given.plot)
    figures.finish()


if __name__ == "__main__":
    main()
