"""The weights of the package: each file is the one that its card describes, and its network loads it."""

from __future__ import annotations

import hashlib

import pytest
import torch

from phaselearn import load_model
from phaselearn.models.model_card import cards

FACTS = {"network", "data", "licence", "attribution", "command", "training", "curve", "time", "commit"}


@pytest.mark.parametrize("name", list(cards()))
def test_the_file_of_a_card_is_the_network_that_it_describes(name):
    card = cards()[name]
    assert hashlib.sha256(card.path.read_bytes()).hexdigest() == card.sha256
    assert card.facts.keys() >= FACTS
    assert all(isinstance(fact, str) for fact in card.facts.values())  # YAML takes some commits for numbers
    model = load_model(name)
    stored = torch.load(card.path, weights_only=True)["state_dict"]
    assert sum(values.numel() for values in stored.values()) == card.parameters
    assert all(torch.equal(values, stored[key]) for key, values in model.state_dict().items())
