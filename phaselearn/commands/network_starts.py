"""The network of a user's run as a source of trial phases: `starts=outputs/FOLDER`, `starts=OPTION+outputs/FOLDER`."""

from __future__ import annotations

from hydra.utils import instantiate
from torch import nn

from phaselearn.commands.networks import find_network
from phaselearn.errors import UserError
from phaselearn.models.atoms import Atoms
from phaselearn.models.base import PhaseImprover
from phaselearn.phasing.starts import RandomStarts, Starts
from phaselearn.quoting import setting
from phaselearn.solver.atom_starts import AtomStarts
from phaselearn.solver.network_starts import Completion, NetworkStarts
from phaselearn.solver.predicted_starts import PredictedStarts


def starts_of(run: str, trust: bool, precision: str, begin: Starts, completion: Completion, most: int) -> Starts:
    """Return the trial phases of a trained network: those it has improved, or those of what it predicts.

    Args:
        run: a run folder, a checkpoint that a run wrote, or weights of the package.
        trust: whether the run may name classes that no option names.
        precision: precision of a network that improves phases, `bf16-mixed` or `32-true`.
        begin: the trial phases that a network improves, `model=unrolled`.
        completion: phases of the reflections that are too fine for the network.
        most: largest number of atoms of a cell that a network on atoms places.

    Raises:
        UserError: there is no such network, its configuration is refused, its checkpoint cannot be read, or it improves
            no trial phases and is given some.
    """
    network = find_network(run, "best", trust, "trust=true")
    model = network.model()
    improver = getattr(model, "network", None)
    if isinstance(improver, nn.Module) and isinstance(improver, PhaseImprover):
        return NetworkStarts(improver, begin, completion, precision)
    if not isinstance(begin, RandomStarts):
        raise UserError(
            f"starts: the network of {run} improves no trial phases, so it cannot be given those of another source: "
            f"name it alone, {setting('starts', run)}"
        )
    if isinstance(model, Atoms):
        return AtomStarts(model.network, model.steps, model.training_plan.finest, most, precision)
    data = network.config.data
    return PredictedStarts(
        model,
        transform=data.input_transform,
        scaling=data.preparation.input_scaling,
        sees_total=not instantiate(network.config.observation).needs_atoms,
        density_share=completion.density_share,
        cycles=completion.cycles,
    )
