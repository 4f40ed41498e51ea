"""The space of a search, in the syntax of Hydra's sweeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.types import FloatRange, IntervalSweep, Override, RangeSweep

from phaselearn.errors import UserError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Space = dict[str, "BaseDistribution"]


def split_overrides(overrides: Sequence[Override]) -> tuple[list[str], Space]:
    """Return the overrides that all trials share, as written, and the space; the last override of a key counts.

    `a,b`, `choice(a,b)` and `glob(*)` are choices, and `range(start,stop,step)` gives steps. `interval(low,high)` is an
    interval of numbers and `int(interval(low,high))` one of whole numbers; `tag(log,interval(low,high))` has a
    logarithmic scale.

    Raises:
        UserError: there is nothing to search, or an interval is empty.
    """
    latest = {override.get_key_element(): override for override in overrides}
    space = {key: _distribution(override) for key, override in latest.items() if override.is_sweep_override()}
    if not space:
        raise UserError(
            "a search needs something to search: give a choice or an interval, e.g. "
            "`phaselearn train -m sweep=optuna loss=mse,correlation 'optim.optimizer.lr=tag(log,interval(1e-4,1e-2))'`"
        )
    return [str(override.input_line) for key, override in latest.items() if key not in space], space


def as_overrides(values: Mapping[Any, Any]) -> list[str]:
    """Return the values of a trial as overrides of Hydra."""
    return [f"{key}={value}" for key, value in values.items()]


def _distribution(override: Override) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    value = override.value()
    try:
        if isinstance(value, IntervalSweep) and value.start is not None and value.end is not None:
            low, high, log = value.start, value.end, "log" in value.tags
            if isinstance(low, int) and isinstance(high, int):
                return IntDistribution(low, high, log=log)
            return FloatDistribution(low, high, log=log)
        if isinstance(value, RangeSweep):
            steps = value.range()
            if isinstance(steps, FloatRange):
                values = [float(step) for step in steps]
                return FloatDistribution(values[0], values[-1], step=float(value.step))
            return IntDistribution(steps[0], steps[-1], step=abs(steps.step))
    except (ValueError, IndexError) as error:
        raise UserError(
            f"{override.input_line} is not a range of values ({' '.join(str(error).split())}): give the lower end "
            f"first, e.g. '{override.get_key_element()}=interval(1,10)'; a logarithmic scale begins above 0"
        ) from error
    # Choices stay as they were written, since they may be options of a group, or lists.
    return CategoricalDistribution(list(override.sweep_string_iterator()))
