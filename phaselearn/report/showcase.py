"""The crystals that a report shows, chosen by rank so that both good and bad ones are seen."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from phaselearn.crystal.cartesian import to_fractional_frame
from phaselearn.crystal.density import interpolated
from phaselearn.crystal.layout import resized
from phaselearn.data.loading.dataset import PairDataset
from phaselearn.metrics.phasing import superimposed
from phaselearn.models.base import DensityModel
from phaselearn.report.content import ShownCrystal


def choose_by_rank(crystals: dict[str, Tensor], count: int) -> list[int]:
    """Return places of crystals that are evenly spread over the ranks of the map correlation, best first.

    Args:
        crystals: judgements by name, each (n,).
        count: number of places.
    """
    order = crystals["correlation"].argsort(descending=True).tolist()
    ranks = np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(int)
    return [order[rank] for rank in ranks]


def show_crystals(
    model: DensityModel, dataset: PairDataset, crystals: dict[str, Tensor], places: list[int]
) -> list[ShownCrystal]:
    """Predict the chosen crystals and superimpose each prediction on the truth.

    Args:
        model: the network.
        dataset: the crystals that were judged.
        crystals: judgements of these crystals by name, each (n,), sorted by row.
        places: places of the chosen crystals in the judgements.
    """
    if not places:
        return []
    rows = crystals["row"][places]
    keys = [(int(np.searchsorted(dataset.rows, row)), 0) for row in rows.tolist()]
    batch = model.transfer_batch_to_device(dataset.__getitems__(keys), model.device, 0)
    model.eval()
    with torch.inference_mode():
        prediction = model(batch).float()
    _, aligned = superimposed(prediction, batch, model.definition)
    truth = batch["density"]
    if model.definition.frame == "cartesian":
        truth = to_fractional_frame(truth, batch["lattice"])
    shown = []
    for number, (place, row) in enumerate(zip(places, rows.tolist(), strict=True)):
        crystal = dataset.store.crystal(row)
        shape = dataset.box(keys[number][0])
        pattern, true_map, predicted = (
            change(values[number, None].cpu(), shape)[0].numpy()
            for change, values in ((resized, batch["intensity"]), (interpolated, truth), (interpolated, aligned))
        )
        shown.append(
            ShownCrystal(
                id=crystal.id,
                formula=crystal.formula,
                prototype=crystal.prototype,
                space_group=crystal.space_group,
                lattice=crystal.lattice,
                numbers=crystal.numbers,
                positions=crystal.positions,
                pattern=pattern,
                layout=model.definition.layout,
                truth=true_map,
                prediction=predicted,
                correlation=crystals["correlation"][place].item(),
                correlation_floor=crystals["floor"][place].item(),
                gain=crystals["gain"][place].item(),
                phase_error=crystals["phase_error"][place].item(),
                solved=bool(crystals["solved"][place]),
                strict=bool(crystals["strict"][place]),
                prototype_seen=bool(crystals["prototype_seen"][place]),
            )
        )
    return shown
