"""PhaseLearn: networks for the crystallographic phase problem, and structures from measured reflections.

from phaselearn import load_data, load_model, predict, read_reflections, solve

result = solve(read_reflections("crystal.hkl"), seconds=60)
print(result.solved, result.best.formula, result.best.space_group.symbol)

model, data = load_model("outputs/look"), load_data("outputs/look")
density = model(next(iter(data.test_dataloader())))

for found in predict("outputs/look", ["quartz.cif"]):
    print(found.crystal.formula, found.correlation, found.floor)
    found.write_map("quartz.ccp4")
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from phaselearn.api import PairDataModule, build_data, load_data, load_model, predict, read_reflections, solve

__all__ = ["PairDataModule", "build_data", "load_data", "load_model", "predict", "read_reflections", "solve"]

# torch takes seconds to import: a name is looked up when it is first asked for.
_PLACES = {name: "phaselearn.api" for name in __all__}


def __getattr__(name: str) -> Any:
    """Return what `from phaselearn import NAME` asks for, `__version__` included."""
    if name == "__version__":
        return version("phaselearn")
    if name not in _PLACES:
        raise AttributeError(f"module 'phaselearn' has no attribute '{name}'")
    return getattr(import_module(_PLACES[name]), name)
