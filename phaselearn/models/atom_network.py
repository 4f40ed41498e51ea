"""A network that moves atoms: pairs of atoms send messages, and the answer is a move of each atom."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from phaselearn.crystal.choices import LARGEST_ATOMIC_NUMBER
from phaselearn.crystal.observed import Observed
from phaselearn.errors import UserError
from phaselearn.models.atom_view import (
    ATOM_FIGURES,
    ATOM_VECTORS,
    CRYSTAL_FIGURES,
    PAIR_FIGURES,
    PAIR_VECTORS,
    SHELLS,
    CellContents,
    view_of,
)
from phaselearn.models.weights import load_network
from phaselearn.phasing.reflections import ReflectionList

STRIDE = 0.6  # share of the moves that a step goes
_PAIRS_AT_ONCE = 1 << 16  # pairs of atoms that send messages together; bounds the memory


class AtomMessages(nn.Module):
    """A round of messages between pairs of atoms; takes and returns features (B, A, width) of atoms."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.normalise = nn.LayerNorm(width)
        self.ends = nn.Linear(width, 2 * width)
        self.pair = nn.Linear(SHELLS + PAIR_FIGURES, width)
        self.message = nn.Sequential(nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.update = nn.Sequential(nn.Linear(2 * width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, atoms: Tensor, pairs: Tensor, both: Tensor) -> tuple[Tensor, Tensor]:
        """Return the new features, and the messages (B, A, A, width)."""
        normal = self.normalise(atoms)
        receiver, sender = self.ends(normal).chunk(2, -1)
        messages = self.message(receiver[:, :, None] + sender[:, None] + self.pair(pairs)) * both
        received = messages.sum(2) * both.sum(2).clamp_min(1).rsqrt()
        return atoms + self.update(torch.cat((normal, received.to(normal)), -1)), messages


class AtomNetwork(nn.Module):
    """The moves of atoms from trial positions towards those of the crystal.

    The moves turn with the axes, and neither the origin nor the hand nor the order of the atoms matters: numbers
    without a direction become weights, and a move is a weighted sum of vectors.

    Args:
        width: number of features of an atom and of a message.
        rounds: rounds of messages.
        weights: the name of weights of the package, the path of a checkpoint, or None for new weights.

    Raises:
        UserError: a number is too small, or the weights cannot be loaded.
    """

    def __init__(self, width: int, rounds: int, weights: str | None = None) -> None:
        super().__init__()
        if width < 1 or rounds < 1:
            raise UserError(
                f"model.network.width={width}, model.network.rounds={rounds}: whole numbers of at least 1 are needed, "
                "e.g. model.network.width=64 model.network.rounds=3"
            )
        self.element = nn.Embedding(LARGEST_ATOMIC_NUMBER + 1, width)
        self.begin = nn.Linear(ATOM_FIGURES + CRYSTAL_FIGURES, width)
        self.rounds = nn.ModuleList(AtomMessages(width) for _ in range(rounds))
        self.of_pairs = nn.Linear(width, PAIR_VECTORS)
        self.of_atoms = nn.Linear(width, ATOM_VECTORS)
        if weights is not None:
            load_network(self, weights)

    def forward(self, contents: CellContents, position: Tensor) -> Tensor:
        """Return moves (B, A, 3) in Å, whose mean over the atoms is zero; 0 for padding.

        Args:
            contents: the crystals.
            position: (B, A, 3) fractional.
        """
        with torch.autocast(position.device.type, enabled=False):
            view = view_of(contents, position)
        present = (contents.numbers > 0)[..., None]
        both = present[:, :, None] & present[:, None]
        whole = view.crystal[:, None].expand(-1, position.shape[1], -1)
        atoms = self.element(contents.numbers) + self.begin(torch.cat((view.atoms, whole), -1))
        for messages_of in self.rounds:
            atoms, messages = messages_of(atoms, view.pairs, both)
        with torch.autocast(position.device.type, enabled=False):
            by_pair, by_atom = self.of_pairs(messages.to(position)) * both, self.of_atoms(atoms.to(position))
            moves = (by_pair[..., None, :] @ view.pair_vectors)[..., 0, :].sum(2)
            moves = moves + (by_atom[..., None, :] @ view.atom_vectors)[..., 0, :]
            return centred(moves, present)

    @torch.no_grad()
    def place(self, observed: Observed, numbers: Tensor, begin: Tensor, steps: int) -> Tensor:
        """Return the fractional positions (B, A, 3) that atoms reach.

        Args:
            observed: the crystals' reflections.
            numbers: (B, A) atomic numbers, 0 for padding, which comes last.
            begin: (B, A, 3) fractional positions to begin with.
            steps: number of steps.
        """
        found = begin.clone()
        for rows in _alike(numbers):
            most = max(1, int((numbers[rows] > 0).sum(1).max()))
            contents = CellContents(ReflectionList.of(observed[rows]).trimmed(), numbers[rows, :most])
            position = begin[rows, :most]
            for _ in range(steps):
                position = self.after(contents, position, self(contents, position))
            found[rows, :most] = position
        return found

    def after(self, contents: CellContents, position: Tensor, moves: Tensor) -> Tensor:
        """Return the positions (B, A, 3) after a step: the moves are gone in part, since they are guesses."""
        return position + STRIDE * moves @ torch.linalg.inv(contents.reflections.lattice).to(position)


def _alike(numbers: Tensor) -> list[Tensor]:
    """Return rows of crystals with like numbers of atoms (B, A), few enough for the memory."""
    count = (numbers > 0).sum(1)
    groups: list[list[int]] = [[]]
    for row in count.argsort(stable=True).tolist():
        if groups[-1] and int(count[row]) ** 2 * (len(groups[-1]) + 1) > _PAIRS_AT_ONCE:
            groups.append([])
        groups[-1].append(row)
    return [torch.tensor(rows, device=numbers.device) for rows in groups]


def centred(vectors: Tensor, present: Tensor) -> Tensor:
    """Return vectors (B, A, 3) less their mean over the atoms of a crystal; 0 where `present` (B, A, 1) is False."""
    mean = (vectors * present).sum(1, keepdim=True) / present.sum(1, keepdim=True).clamp_min(1)
    return (vectors - mean) * present
