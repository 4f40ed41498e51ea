"""The space of a search, as it is written on the command line."""

from __future__ import annotations

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from phaselearn.errors import UserError
from phaselearn.search.space import split_overrides

optuna = pytest.importorskip("optuna", reason="optuna is not installed: pip install 'phaselearn[sweep]'")


def split(*written):
    return split_overrides(OverridesParser.create().parse_overrides(list(written)))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("loss=mse,l1", optuna.distributions.CategoricalDistribution(["mse", "l1"])),
        ("a.b=choice(1,2.5)", optuna.distributions.CategoricalDistribution(["1", "2.5"])),
        ("sizes=[10],[20,30]", optuna.distributions.CategoricalDistribution(["[10]", "[20,30]"])),
        ("rate=tag(log,interval(1e-4,1e-2))", optuna.distributions.FloatDistribution(1e-4, 1e-2, log=True)),
        ("rate=interval(0.0,0.5)", optuna.distributions.FloatDistribution(0.0, 0.5)),
        ("width=int(interval(4,64))", optuna.distributions.IntDistribution(4, 64)),
        ("width=range(8,33,8)", optuna.distributions.IntDistribution(8, 32, step=8)),
        ("share=range(0.0,1.0,0.25)", optuna.distributions.FloatDistribution(0.0, 0.75, step=0.25)),
    ],
)
def test_what_hydra_sweeps_is_searched(written, expected):
    fixed, space = split("seed=3", written)
    assert fixed == ["seed=3"]
    assert space == {written.partition("=")[0]: expected}


def test_the_last_word_on_a_key_counts():
    fixed, space = split("rate=interval(0.1,0.2)", "loss=mse,l1", "rate=0.5")
    assert fixed == ["rate=0.5"]
    assert list(space) == ["loss"]


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("seed=3", "sweep=optuna"),
        ("rate=interval(0.2,0.1)", "the lower end first"),
        ("rate=tag(log,interval(0.0,0.1))", "above 0"),
        ("width=range(5,5)", "the lower end first"),
    ],
)
def test_what_cannot_be_searched_is_one_line(written, told):
    with pytest.raises(UserError, match=told):
        split(written)
