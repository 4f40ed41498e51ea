"""Judgements of predicted densities, collected over a data set and summarised for its subsets."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torchmetrics import Metric

from phaselearn.crystal.cartesian import to_fractional_frame
from phaselearn.crystal.density import map_from_structure_factors, structure_factors_from_map
from phaselearn.crystal.judgement import SOLVED_FROM, Judgement, judge
from phaselearn.crystal.observed import Observed
from phaselearn.crystal.scattering import Scattering
from phaselearn.crystal.wilson import normalised, wilson_fit
from phaselearn.data.batch import Batch
from phaselearn.data.pairs import PairDefinition


class PhasingMetric(Metric):
    """Map correlation, gain, phase error and the share solved, with the phase-zero floor for comparison.

    Origin and hand do not matter, since |F| does not depend on them.

    Args:
        definition: layout, frame and scattering of the pairs.
        refine: also search for the best origin between the voxels, as for reports; in training, on the voxels only.
    """

    full_state_update = False
    higher_is_better = True

    correlation: list[Tensor]
    floor: list[Tensor]
    gain: list[Tensor]
    phase_error: list[Tensor]
    solved: list[Tensor]
    atoms_found: list[Tensor]
    strict: list[Tensor]
    hard: list[Tensor]
    counted: list[Tensor]
    failed: list[Tensor]
    row: list[Tensor]
    prototype_seen: list[Tensor]

    def __init__(self, definition: PairDefinition, refine: bool) -> None:
        super().__init__()
        self.definition = definition
        self.refine = refine
        for name in self.names:
            self.add_state(name, default=[], dist_reduce_fx="cat")

    names = (
        "correlation",
        "floor",
        "gain",
        "phase_error",
        "solved",
        "atoms_found",
        "strict",
        "hard",
        "counted",
        "failed",
        "row",
        "prototype_seen",
    )

    def update(self, prediction: Tensor, batch: Batch) -> None:
        """Judge predicted densities (B, N, N, N) in the frame of the pairs, and keep the judgements."""
        with torch.autocast(prediction.device.type, enabled=False):
            observed = observed_of(batch, self.definition)
            judgement, _ = judge(
                predicted_factors(prediction, batch, self.definition),
                observed,
                batch["numbers"],
                batch["positions"],
                scattering_of(batch, self.definition),
                self.refine,
            )
        values = judgement.as_dict() | {"row": batch["row"], "prototype_seen": batch["prototype_seen"]}
        for name in self.names:
            getattr(self, name).append(values[name].detach())

    def crystals(self) -> dict[str, Tensor]:
        """Return the judgements of each crystal by name, each (n,), sorted by row."""
        gathered = {name: self._gathered(name) for name in self.names}
        order = gathered["row"].argsort()
        return {name: values[order] for name, values in gathered.items()}

    def _gathered(self, name: str) -> Tensor:
        state = getattr(self, name)
        if isinstance(state, list):
            return torch.cat(state) if state else torch.empty(0, device=self.device)
        return state

    def compute(self) -> dict[str, dict[str, float]]:
        """Return {subset: {name: value}}, computed by `summarise`."""
        return summarise(self.crystals())


def predicted_factors(prediction: Tensor, batch: Batch, definition: PairDefinition) -> Tensor:
    """Return the structure factors of predicted densities (B, N, N, N), complex (B, N, N, N) in FFT order."""
    prediction = prediction if prediction.dtype == torch.float64 else prediction.float()
    if definition.frame == "cartesian":
        prediction = to_fractional_frame(prediction, batch["lattice"])
    return structure_factors_from_map(prediction, batch["lattice"])


def observed_of(batch: Batch, definition: PairDefinition) -> Observed:
    """Return the observed amplitudes of a batch, on the FFT box, reduced to those of point atoms at rest.

    If the intensities come from tabulated form factors, Wilson's statistics remove their scale and their fall with
    resolution. The atoms are not used for this. What is in the cell stands beside them, sorted by element.
    """
    observed = Observed.from_intensity(
        batch["intensity"], batch["observed"], definition.layout, batch["lattice"], batch.get("sigma")
    )
    if "numbers" in batch:
        observed = replace(observed, contents=batch["numbers"].sort(dim=1, descending=True).values)
    if "probe" not in batch:
        return observed
    return normalised(observed, wilson_fit(observed, batch["probe"]), batch["probe"])


def superimposed(prediction: Tensor, batch: Batch, definition: PairDefinition) -> tuple[Judgement, Tensor]:
    """Judge predicted densities and move them to the origin and hand of their crystals, which |F| leaves open.

    Args:
        prediction: predicted densities (B, N, N, N) in the frame of the pairs.
        batch: the batch that was predicted, with its atoms.
        definition: definition of the pairs.

    Returns:
        The judgements, and the moved densities (B, N, N, N) in the fractional frame, on the scale of the prediction.
    """
    factors = predicted_factors(prediction, batch, definition)
    judgement, alignment = judge(
        factors,
        observed_of(batch, definition),
        batch["numbers"],
        batch["positions"],
        scattering_of(batch, definition),
    )
    return judgement, map_from_structure_factors(alignment.apply(factors), batch["lattice"])


def scattering_of(batch: Batch, definition: PairDefinition) -> Scattering:
    """Return the scattering of the atoms that gave a batch its intensities; it also gives the true phases."""
    return Scattering(batch.get("probe", definition.scattering), batch.get("u_iso"))


def summarise(crystals: dict[str, Tensor]) -> dict[str, dict[str, float]]:
    """Summarise judgements for all crystals, the hard ones, and those of structure types seen and unseen in training.

    Args:
        crystals: judgements by name, each (n,), as from `PhasingMetric.crystals`.

    Returns:
        {subset: {name: value}}. The numbers of crystals are `n` (judged), `left_out` (too few reflections to be judged)
        and `failed` (judged, and unsolved because the prediction is not a number or has no phases). `solved` and
        `strict` are shares; `median_cc`, `gain` and `phase_error` (degrees) are medians. `floor` is the median map
        correlation of the phase-zero map, and `floor_solved` the share that it solves. An empty subset has NaN.
    """
    counted, hard, seen = (crystals[name].bool() for name in ("counted", "hard", "prototype_seen"))
    subsets = {"all": torch.ones_like(counted), "hard": hard, "seen_prototype": seen, "unseen_prototype": ~seen}
    summary = {}
    for subset, member in subsets.items():
        chosen = member & counted
        part = {name: crystals[name][chosen].double() for name in crystals if name != "row"}
        summary[subset] = {
            "n": int(chosen.sum()),
            "left_out": int((member & ~counted).sum()),
            "failed": int(part["failed"].sum()),
            "solved": part["solved"].mean().item(),
            "strict": part["strict"].mean().item(),
            "median_cc": _median(part["correlation"]),
            "gain": _median(part["gain"]),
            "phase_error": _median(part["phase_error"]),
            "floor": _median(part["floor"]),
            "floor_solved": (part["floor"] >= SOLVED_FROM).double().mean().item(),
        }
    return summary


def _median(values: Tensor) -> float:
    return values.quantile(0.5).item() if len(values) else float("nan")
