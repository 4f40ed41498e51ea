"""Figures of a run as PNG files: loss curves, map correlation against its floor, densities of crystals."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gemmi
import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LightSource, to_rgb
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from mpl_toolkits.mplot3d.art3d import Poly3DCollection

from phaselearn.crystal.judgement import SOLVED_FROM
from phaselearn.files import write_whole
from phaselearn.report.axes import frame_cell
from phaselearn.report.content import ShownCrystal
from phaselearn.report.curves import Curves, Series
from phaselearn.report.patterns import pattern_figure
from phaselearn.report.surfaces import (
    THRESHOLD,
    atoms_in_cell,
    drawing_shape,
    interpolate,
    isosurface,
    plane_basis,
)
from phaselearn.report.voxels import voxel_figure

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

# Okabe and Ito's colours, which colour-blind readers can tell apart; the page uses the same.
TRUTH, PREDICTION, FLOOR = "#0072B2", "#D55E00", "#7A828A"
STYLE: dict[RcKeyType, Any] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E3E7EB",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "figure.dpi": 150,
    "savefig.dpi": 150,
}
NEAR_PLANE = 0.4  # Å, largest distance from a slice of the atoms that are marked in it
OF_A_CRYSTAL = ("crystal", "voxels", "pattern")  # kinds of figures that each shown crystal has
HALO = withStroke(linewidth=2, foreground="#1B1F24")


def write_figures(
    folder: Path, curves: Curves | None, crystals: Mapping[str, Any], shown: Sequence[ShownCrystal]
) -> list[Path]:
    """Write loss_curves.png, correlation.png, and for each shown crystal its maps, its voxels and its pattern.

    Args:
        folder: folder for the files, which is created if it is missing.
        curves: training curves; None if there was no training.
        crystals: the network's judgements crystal by crystal, arrays (or CPU tensors) of equal length under
            `correlation`, `floor`, `prototype_seen` and `counted`.
        shown: crystals with their densities.

    Returns:
        The files.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    judged = {name: np.asarray(values) for name, values in crystals.items()}
    with matplotlib.rc_context(STYLE):
        figures = {
            f"{name}_{crystal.file_stem}.png": draw(crystal)
            for crystal in shown
            for name, draw in zip(OF_A_CRYSTAL, (crystal_figure, voxel_figure, pattern_figure), strict=True)
        }
        figures["correlation.png"] = correlation_figure(judged)
        if curves is not None and len(curves["train/loss"].epochs):
            figures["loss_curves.png"] = loss_figure(curves)
        for name, figure in figures.items():
            content = io.BytesIO()
            FigureCanvasAgg(figure).print_png(content)
            write_whole(folder / name, content.getvalue())
    return [folder / name for name in sorted(figures)]


def figures_by_kind(folder: Path) -> dict[str, list[Path]]:
    """Return {kind: files} of the figures in a folder; the figures of all crystals are under one kind."""
    kinds: dict[str, list[Path]] = {}
    for path in sorted(Path(folder).glob("*.png")):
        first = path.stem.partition("_")[0]
        kinds.setdefault(first if first in OF_A_CRYSTAL else path.stem, []).append(path)
    return kinds


def loss_figure(curves: Curves) -> Figure:
    """Draw training and validation loss, and the validation's median correlation above its floor."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    _plot(left, curves["train/loss"], TRUTH, "training")
    _plot(left, curves["val/loss"], PREDICTION, "validation")
    shown = np.concatenate([curves["train/loss"].values, curves["val/loss"].values])
    if (shown[np.isfinite(shown)] > 0).all():
        left.set_yscale("log")
    left.set(xlabel="epoch", ylabel="loss")
    _plot(right, curves["val/median_cc"], PREDICTION, "network")
    _plot(right, curves["val/floor"], FLOOR, "phase-zero floor", linestyle="--")
    right.set(xlabel="epoch", ylabel="median map correlation, validation")
    for axes in (left, right):
        axes.xaxis.get_major_locator().set_params(integer=True)
        if axes.get_legend_handles_labels()[0]:
            axes.legend()
    return figure


def _plot(axes: Axes, series: Series, colour: str, label: str, linestyle: str = "-") -> None:
    if len(series.epochs):
        marker = "o" if len(series.epochs) < 30 else None
        axes.plot(series.epochs, series.values, linestyle, color=colour, marker=marker, markersize=3, label=label)


def correlation_figure(judged: Mapping[str, np.ndarray]) -> Figure:
    """Draw each crystal's map correlation against its phase-zero floor, and the distribution of both."""
    counted = judged["counted"].astype(bool)
    correlation, floor = judged["correlation"][counted], judged["floor"][counted]
    seen = judged["prototype_seen"].astype(bool)[counted]
    figure = Figure(figsize=(9, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    drawn = np.concatenate([correlation, floor])
    limits = (min([0.5, *drawn[np.isfinite(drawn)]]) - 0.03, 1.01)
    left.plot(limits, limits, color=FLOOR, linewidth=1)
    left.axhline(SOLVED_FROM, color=FLOOR, linestyle=":", linewidth=1.2)
    left.annotate("solved", (limits[0], SOLVED_FROM), (4, 3), textcoords="offset points", color="#59636E")
    left.annotate(
        "no gain below this line",
        (limits[0] + 0.2 * (limits[1] - limits[0]),) * 2,
        (3, -3),
        textcoords="offset points",
        rotation=45,
        rotation_mode="anchor",
        va="top",
        ha="center",
        color="#59636E",
    )
    for member, colour, marker, label in (
        (seen, TRUTH, "o", "prototype seen in training"),
        (~seen, PREDICTION, "^", "prototype not seen"),
    ):
        left.scatter(
            floor[member],
            correlation[member],
            s=22,
            c=colour,
            marker=marker,
            alpha=0.65,
            linewidths=0,
            label=f"{label} ({member.sum()})",
        )
    left.set(
        xlabel="phase-zero floor CC₀",
        ylabel="map correlation CC of the network",
        xlim=limits,
        ylim=limits,
        aspect="equal",
    )
    left.legend(loc="lower right", handletextpad=0.2)
    bins = np.linspace(*limits, 31)
    right.hist(correlation[np.isfinite(correlation)], bins, color=PREDICTION, alpha=0.75, label="network")
    right.hist(
        floor[np.isfinite(floor)],
        bins,
        color="#3A4149",
        histtype="step",
        linewidth=1.6,
        label="phase-zero floor",
    )
    right.axvline(SOLVED_FROM, color=FLOOR, linestyle=":", linewidth=1.2)
    right.set(xlabel="map correlation", ylabel="crystals", xlim=limits)
    right.yaxis.get_major_locator().set_params(integer=True)
    right.legend(loc="upper left")
    return figure


def crystal_figure(crystal: ShownCrystal) -> Figure:
    """Draw surfaces at 70 % of the maximum above slices through the truth's highest voxel; the truth is on the left."""
    figure = Figure(figsize=(9, 8.4), layout="constrained")
    upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=(1.25, 1))[:, 0]
    lower_axes = lower.subplots(1, 2)
    maps = [
        interpolate(np.nan_to_num(density), drawing_shape(density.shape, crystal.lattice))
        for density in (crystal.truth, crystal.prediction)
    ]
    plane = int(np.unravel_index(maps[0].argmax(), maps[0].shape)[2])
    for place, (density, colour, name) in enumerate(
        zip(maps, (TRUTH, PREDICTION), ("True density", "Predicted density"), strict=True)
    ):
        axes = upper.add_subplot(1, 2, place + 1, projection="3d", computed_zorder=False)
        _draw_surface(axes, density, crystal, colour)
        axes.set_title(f"{name}, surface at {THRESHOLD:.0%} of its maximum", fontsize=10)
        image = _draw_slice(lower_axes[place], density, crystal, plane)
        lower_axes[place].set_title(f"{name}, plane z = {plane / density.shape[2]:.2f} c", fontsize=10)
    lower.colorbar(image, ax=lower_axes, label="% of the map’s maximum", shrink=0.9)
    figure.suptitle(
        f"{crystal.formula} · {crystal.id} · space group {crystal.space_group}\n"
        f"CC {crystal.correlation:.3f} (floor {crystal.correlation_floor:.3f}), "
        f"phase error {crystal.phase_error:.0f}°: {crystal.verdict}",
        fontsize=11,
    )
    return figure


def crystal_picture(crystal: ShownCrystal) -> np.ndarray:
    """Return the drawing of a crystal as an image (height, width, 3) uint8."""
    with matplotlib.rc_context(STYLE):
        canvas = FigureCanvasAgg(crystal_figure(crystal))
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _draw_surface(axes: Any, density: np.ndarray, crystal: ShownCrystal, colour: str) -> None:
    surface = isosurface(density, crystal.lattice)
    frame_cell(axes, crystal)
    if len(surface.faces):
        light = LightSource(azdeg=225, altdeg=45)
        triangles = surface.vertices[surface.faces]
        normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        brightness = 0.55 + 0.45 * (normals @ light.direction)
        colours = np.clip(np.array(to_rgb(colour)) * brightness[:, None] + 0.12, 0, 1)
        axes.add_collection3d(Poly3DCollection(triangles, facecolors=colours, edgecolors=colours, linewidths=0.1))


def _draw_slice(axes: Axes, density: np.ndarray, crystal: ShownCrystal, plane: int) -> Any:
    basis = plane_basis(crystal.lattice, 2)
    values = density[:, :, plane]
    values = np.pad(values, (0, 1), mode="wrap")
    share = 100 * values / density.max() if density.max() > 0 else np.zeros_like(values)
    u, v = np.meshgrid(*(np.linspace(0, 1, size) for size in share.shape), indexing="ij")
    x, y = np.moveaxis(np.stack([u, v], axis=-1) @ basis, -1, 0)
    image = axes.pcolormesh(x, y, share, cmap="cividis", vmin=0, vmax=100, shading="gouraud", rasterized=True)
    if share.max() > 100 * THRESHOLD > share.min():
        axes.contour(x, y, share, levels=[100 * THRESHOLD], colors="white", linewidths=1.2)
    numbers, positions = atoms_in_cell(crystal.numbers, crystal.positions)
    spacing = abs(np.linalg.det(crystal.lattice)) / np.linalg.norm(np.cross(*crystal.lattice[:2]))
    apart = np.abs(positions[:, 2] - plane / density.shape[2])
    near = np.minimum(apart, 1 - apart) * spacing <= NEAR_PLANE
    for number, place in zip(numbers[near], positions[near, :2] @ basis, strict=True):
        symbol = gemmi.Element(int(number)).name
        axes.annotate(
            symbol, place, color="white", fontsize=8, ha="center", va="center", fontweight="bold"
        ).set_path_effects([HALO])
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]) @ basis
    axes.plot(*corners.T, color="#59636E", linewidth=1)
    axes.set(xlabel="along a / Å", ylabel="across a, towards b / Å", aspect="equal")
    axes.grid(visible=False)
    return image
