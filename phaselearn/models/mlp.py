"""The multilayer perceptron of the 2021 report: every voxel sees every reflection."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from phaselearn.data.batch import Batch
from phaselearn.errors import UserError
from phaselearn.models.base import DensityModel


class MultilayerPerceptron(DensityModel):
    """Fully connected layers with ReLU between them.

    The defaults in conf/model/mlp.yaml are those of scikit-learn's MLPRegressor, which the report used.

    Args:
        hidden_sizes: width of each hidden layer; empty for a linear map.
        residual: whether the input of a hidden layer is added to its output where both have the same width; this lets
            a hundred layers be trained.
        options: the arguments of `DensityModel`.

    Raises:
        UserError: a hidden layer has a width below 1.
    """

    needs = frozenset({"input"})

    def __init__(self, hidden_sizes: Sequence[int], residual: bool, **options: Any) -> None:
        super().__init__(**options)
        if any(width < 1 for width in hidden_sizes):
            raise UserError(
                f"model.hidden_sizes={list(hidden_sizes)}: each must be at least 1, e.g. 'model.hidden_sizes=[100,100]'"
            )
        voxels = self.definition.fixed_size(type(self).__name__) ** 3
        sizes = [voxels, *hidden_sizes, voxels]
        layers = [nn.Linear(a, b) for a, b in pairwise(sizes)]
        self.layers = nn.ModuleList(layers)
        self.residual = residual
        for layer in layers:
            # scikit-learn's initialisation for ReLU: Glorot's bound, also for the biases.
            bound = (6 / (layer.in_features + layer.out_features)) ** 0.5
            nn.init.uniform_(layer.weight, -bound, bound)
            nn.init.uniform_(layer.bias, -bound, bound)

    def forward(self, batch: Batch) -> Tensor:
        """Return the predicted density (B, N, N, N)."""
        pattern = batch["input"]
        hidden = pattern.flatten(1)
        for layer in self.layers[:-1]:
            update = torch.relu(layer(hidden))
            # Updates are divided by the depth, so that values neither explode nor vanish in a hundred layers.
            added = self.residual and update.shape == hidden.shape
            hidden = hidden + update / len(self.layers) if added else update
        return self.layers[-1](hidden).view_as(pattern)
