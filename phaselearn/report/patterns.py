"""The diffraction pattern of a crystal as it is drawn: figure 1 of the report."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from phaselearn.crystal.layout import Shape
from phaselearn.report.content import ShownCrystal


@dataclass(frozen=True)
class DisplayedPattern:
    """Intensities in the order of their indices.

    Attributes:
        log_intensity: log₁₀(1 + I) (n₁, n₂, n₃), with I in electrons².
        first_index: h, k and l of the first place along each axis: 0 in the octant, −n/2 in the FFT box.
    """

    log_intensity: np.ndarray
    first_index: Shape


def displayed_pattern(crystal: ShownCrystal) -> DisplayedPattern:
    """Return a crystal's pattern; F(000) is in the middle of an FFT box."""
    logarithm = np.log10(1 + np.maximum(np.nan_to_num(crystal.pattern), 0.0))
    if crystal.layout == "octant":
        return DisplayedPattern(logarithm, (0, 0, 0))
    h, k, l = (-(size // 2) for size in logarithm.shape)  # noqa: E741
    return DisplayedPattern(np.fft.fftshift(logarithm), (h, k, l))


def pattern_figure(crystal: ShownCrystal) -> Figure:
    """Draw the planes l = 0, 1 and 2."""
    pattern = displayed_pattern(crystal)
    h, k = (
        np.arange(size + 1) + first - 0.5
        for size, first in zip(pattern.log_intensity.shape[:2], pattern.first_index[:2], strict=True)
    )
    figure = Figure(figsize=(9, 3.3), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    highest = max(float(pattern.log_intensity.max()), 1e-6)
    for plane, axes in enumerate(panels):
        values = pattern.log_intensity[:, :, plane - pattern.first_index[2]]
        image = axes.pcolormesh(h, k, values.T, cmap="cividis", vmin=0, vmax=highest, rasterized=True)
        axes.set(xlabel="h", aspect="equal")
        axes.set_title(f"l = {plane}", fontsize=10)
        axes.grid(visible=False)
        for axis in (axes.xaxis, axes.yaxis):
            axis.get_major_locator().set_params(integer=True)
    panels[0].set_ylabel("k")
    figure.colorbar(image, ax=panels, label="log₁₀(1 + I), I in electrons²")
    figure.suptitle(f"{crystal.formula} · {crystal.id} · measured intensities, {crystal.layout} layout", fontsize=11)
    return figure
