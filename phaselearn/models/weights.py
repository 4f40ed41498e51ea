"""The weights that come with the package, and others saved by a run."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from phaselearn.errors import UserError
from phaselearn.models.model_card import cards
from phaselearn.quoting import one_line


def weights_path(weights: str) -> Path:
    """Return the file of the weights: that of the package for a name such as `unrolled`, else a checkpoint's path."""
    return cards()[weights].path if weights in cards() else Path(weights)


class NotWeights(ValueError):
    """A file holds something else than finite weights by name; the message says which of them."""


def plain_weights(state: Any) -> dict[str, Tensor]:
    """Return the weights of a checkpoint, which a stranger may have written.

    Raises:
        NotWeights: they are not dense and finite tensors in memory, by name.
    """
    if not isinstance(state, dict):
        raise NotWeights("its weights have no names")
    for name, values in dict.items(state):
        if not (isinstance(name, str) and isinstance(values, Tensor)):
            raise NotWeights(f"{name} is not a tensor")
        if values.layout != torch.strided or values.device.type != "cpu":
            raise NotWeights(f"{name} is not a dense tensor in memory")
        if not values.isfinite().all():
            raise NotWeights(f"{name} is not finite")
    return dict(state)


def load_plain(path: Path) -> Any:
    """Return what a checkpoint holds; no code in it is run, and a file of a strange kind is not commented on."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.load(path, map_location="cpu", weights_only=True)


def fault_of(error: Exception) -> str:
    """Return why a checkpoint cannot be read; what a library says of it is long, and about its own parts."""
    return one_line(str(error)) if isinstance(error, NotWeights) else type(error).__name__


def load_network(network: nn.Module, weights: str) -> None:
    """Load the weights of a phasing network.

    Args:
        network: a network of the same size as the weights.
        weights: the name of weights of the package, such as `unrolled`, or the path of a run's checkpoint.

    Raises:
        UserError: the file is missing or cannot be read, or its weights are those of a network of another size.
    """
    path = weights_path(weights)
    if not path.is_file():
        raise UserError(
            f"model.network.weights={weights}: neither weights of the package ({', '.join(cards())}) nor a "
            "checkpoint, e.g. `model.network.weights=outputs/FOLDER/best.ckpt`"
        )
    try:
        saved = load_plain(path)
        state = plain_weights(dict.get(saved, "state_dict", saved))
    except Exception as error:
        raise UserError(f"model.network.weights={weights}: not a checkpoint ({fault_of(error)})") from error
    prefix = "network."
    own = {name.removeprefix(prefix): values for name, values in state.items() if name.startswith(prefix)} or state
    try:
        network.load_state_dict(own)
    except RuntimeError as error:
        raise UserError(
            f"model.network.weights={weights}: weights of a network of another size; leave the keys of "
            "model.network as they were in its training"
        ) from error
