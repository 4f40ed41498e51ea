"""Observations of several kinds: one is drawn for each crystal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
from torch import Tensor

from phaselearn.data.batch import Batch, map_batch
from phaselearn.data.preparation.draws import generators
from phaselearn.data.preparation.observation import Observation
from phaselearn.errors import UserError


@dataclass(frozen=True)
class MixedObservation:
    """A draw over several observations for each crystal, all as likely.

    Attributes:
        options: the observations by name. Either all of them have a sample or none has, and all count or none does: a
            batch has σ for all of its crystals or for none.
    """

    options: Mapping[str, Observation]

    def __post_init__(self) -> None:
        options = self.options.values()
        for name in ("sample", "counting"):
            if len({getattr(option, name) is None for option in options}) != 1:
                raise UserError(
                    f"observation.options={','.join(self.options)}: all of them need a {name}, or none, e.g. "
                    "observation=measured"
                )

    @property
    def is_random(self) -> bool:
        """Whether two measurements of one crystal differ."""
        return len(self.options) > 1 or any(option.is_random for option in self.options.values())

    @property
    def needs_atoms(self) -> bool:
        """Whether intensities are calculated from the atoms."""
        return any(option.needs_atoms for option in self.options.values())

    @property
    def finest(self) -> float | None:
        """The finest resolution in Å that is measured; None for no limit."""
        limits = [option.finest for option in self.options.values()]
        known = [limit for limit in limits if limit is not None]
        return min(known) if len(known) == len(limits) else None

    def apply(self, ideal: Batch, layout: str, seeds: Sequence[int]) -> Batch:
        """Measure a batch; arguments and result as those of `Observation.apply`."""
        choice = torch.tensor(
            [int(torch.randint(len(self.options), (), generator=random)) for random in generators(seeds, "option")]
        )
        rows, parts = [], []
        for number, option in enumerate(self.options.values()):
            chosen = (choice == number).nonzero()[:, 0]
            if len(chosen):
                part = map_batch(ideal, partial(torch.index_select, dim=0, index=chosen))
                parts.append(option.apply(part, layout, [seeds[row] for row in chosen.tolist()]))
                rows.append(chosen)
        place = torch.cat(rows).argsort()
        joined = {name: torch.cat([_of(part, name) for part in parts])[place] for name in parts[0]}
        # Made in a loop, it is not a TypedDict to a type checker; its keys are those of a batch.
        return cast(Batch, joined)


def _of(batch: Batch, name: str) -> Tensor:
    return cast(Mapping[str, Tensor], batch)[name]
