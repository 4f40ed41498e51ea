"""Whether a store holds the pairs that a configuration asks for."""

from __future__ import annotations

from phaselearn.data.pairs import PairDefinition
from phaselearn.data.store.pair_store import PairStore
from phaselearn.errors import UserError


def check_definition(store: PairStore, wanted: PairDefinition) -> None:
    """Refuse a store whose pairs have another definition than the configuration.

    Raises:
        UserError: the definitions differ; the error names each difference and the two ways out.
    """
    difference = store.definition.difference(wanted)
    if difference:
        said = {name: ["null" if value is None else value for value in both] for name, both in difference.items()}
        told = ", ".join(f"{name}: store {have}, asked {want}" for name, (have, want) in said.items())
        keys = " ".join(f"data.definition.{name}={have}" for name, (have, _) in said.items())
        raise UserError(
            f"{store.path} holds other pairs than data asks for ({told}): give another data.store, "
            f"`phaselearn prepare data.store=PATH`, or ask for what it holds: {keys}"
        )
