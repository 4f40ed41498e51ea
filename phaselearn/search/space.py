"""The space of a search, in the words in which Hydra sweeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.types import FloatRange, IntervalSweep, Override, RangeSweep

from phaselearn.errors import UserError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Space = dict[str, "BaseDistribution"]


def split_overrides(overrides: Sequence[Override]) -> tuple[list[str], Space]:
    """Return what is the same in all trials, as written, and what is searched; of one key the last word counts.

    `a,b`, `choice(a,b)` and `glob(*)` are choices, `range(start,stop,step)` steps, `interval(low,high)` a stretch of
    numbers and `int(interval(low,high))` of whole ones; `tag(log,interval(low,high))` has a logarithmic scale.

    Raises:
        UserError: nothing is searched, or a stretch is none.
    """
    latest = {override.get_key_element(): override for override in overrides}
    space = {key: _distribution(override) for key, override in latest.items() if override.is_sweep_override()}
    if not space:
        raise UserError(
            "a search needs something to search: give a choice or an interval, e.g. "
            "`python train.py -m sweep=optuna loss=mse,correlation 'optim.optimizer.lr=tag(log,interval(1e-4,1e-2))'`"
        )
    return [str(override.input_line) for key, override in latest.items() if key not in space], space


def as_overrides(values: dict[str, Any]) -> list[str]:
    """Return the values of a trial as Hydra reads them."""
    return [f"{key}={value}" for key, value in values.items()]


def _distribution(override: Override) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    value = override.value()
    try:
        if isinstance(value, IntervalSweep):
            whole = isinstance(value.start, int) and isinstance(value.end, int)
            kind = IntDistribution if whole else FloatDistribution
            return kind(value.start, value.end, log="log" in value.tags)
        if isinstance(value, RangeSweep):
            steps = value.range()
            if isinstance(steps, FloatRange):
                values = [float(step) for step in steps]
                return FloatDistribution(values[0], values[-1], step=float(value.step))
            return IntDistribution(steps[0], steps[-1], step=abs(steps.step))
    except (ValueError, IndexError) as error:
        raise UserError(
            f"{override.input_line} is no range of values ({' '.join(str(error).split())}): give the lower end first, "
            f"e.g. '{override.get_key_element()}=interval(1,10)'; a logarithmic scale begins above 0"
        ) from error
    # Choices as they would be written, since they may be options of a group or lists.
    return CategoricalDistribution(list(override.sweep_string_iterator()))
