"""The measuring instrument itself: same |F| for all, nobody handed the truth, intervals, audits."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from phaselearn.benchmark import run
from phaselearn.benchmark.comparison import compare
from phaselearn.benchmark.contenders import parameter_free, regime_from
from phaselearn.benchmark.crystals import BenchmarkSet, choose_crystals, crystals_of_source, crystals_of_store
from phaselearn.benchmark.leakage import audit
from phaselearn.benchmark.records import Attempt, read_records, write_records
from phaselearn.benchmark.regimes import InputPreparation, Regime, batches
from phaselearn.benchmark.run import BenchmarkPlan, run_benchmark
from phaselearn.benchmark.runner import ModelContender, RunSettings, Timed, run_contender
from phaselearn.benchmark.table import COLUMNS, benchmark_table, is_centrosymmetric, summarise_records
from phaselearn.commands.options import config_directory
from phaselearn.commands.session import build_method
from phaselearn.data.preparation.observation import Observation
from phaselearn.data.sources.prototypes import Prototypes
from phaselearn.errors import UserError
from phaselearn.losses.mse import MeanSquaredError
from phaselearn.models.base import DensityModel
from phaselearn.phasing.solution import Solution
from phaselearn.testing.batches import DEFINITION
from phaselearn.testing.options import composed, options
from tests.benchmark.record import record
from tests.thinned import thinned

NOISY = Regime("noisy", DEFINITION, Observation(noise=0.2, completeness=0.7))
IDEAL = Regime("ideal", DEFINITION, Observation())
ORIGIN = 0.31  # along each edge


def contender(name):
    config = OmegaConf.load(config_directory() / "model" / f"{name}.yaml")
    return parameter_free(name, config, lambda data: build_method(name, data), "cpu")


@pytest.fixture(scope="module")
def crystals():
    return crystals_of_source(Prototypes(count=24, seed=0, cell="primitive"), longest_edge=30.0)


def test_every_method_gets_the_same_amplitudes_whatever_its_batches(crystals):
    def gather(batch_size):
        parts = batches(crystals, NOISY, InputPreparation(), frozenset(), batch_size, seed=0)
        return torch.cat([batch["intensity"] for _, batch in parts])

    torch.testing.assert_close(gather(24), gather(5), rtol=1e-4, atol=1e-2)


def test_batches_hold_no_density(crystals):
    seen = frozenset({crystals[0].prototype})
    chosen, batch = next(batches(crystals[:3], IDEAL, InputPreparation(), seen, 8, 0))
    assert "density" not in batch
    assert batch["prototype_seen"].tolist() == [crystal.prototype in seen for crystal in chosen]
    assert batch["prototype_seen"].any()


def test_phase_zero_is_its_own_floor(crystals, tmp_path):
    settings = RunSettings(tmp_path, 8, 0)
    records = run_contender(contender("phase_zero"), IDEAL, crystals, frozenset(), settings)
    assert len(records) == len(crystals)
    assert all(abs(each.correlation - each.floor) < 1e-3 for each in records)


def test_finished_runs_are_read_and_not_run_again(crystals, tmp_path):
    settings = RunSettings(tmp_path, 8, 0)
    first = run_contender(contender("random_phase"), NOISY, crystals, frozenset(), settings)
    (path,) = tmp_path.iterdir()
    before = path.stat().st_mtime_ns
    second = run_contender(contender("random_phase"), NOISY, crystals, frozenset(), settings)
    assert path.stat().st_mtime_ns == before
    assert [each.correlation for each in first] == pytest.approx([each.correlation for each in second])
    run_contender(contender("random_phase"), NOISY, crystals[1:], frozenset(), settings)
    assert len(list(tmp_path.iterdir())) == 2


def test_records_survive_their_file(tmp_path):
    records = [record(), record(id="2", solved=False, agreement=float("nan"))]
    write_records(tmp_path / "records.csv", records, exact=True)
    assert repr(read_records(tmp_path / "records.csv")) == repr(records)


def test_the_table_counts_subsets_and_leaves_out_what_is_too_small():
    records = [
        record(),
        record(id="2", hard=False, solved=False, space_group=1, atoms=50),
        record(id="3", counted=False),
        record(id="4", prototype_seen=False, failed=True),
    ]
    rows = {row["subset"]: row for row in summarise_records(records, resamples=50)}
    assert set(rows["all"]) == set(COLUMNS)
    assert (rows["all"]["n"], rows["all"]["left_out"], rows["all"]["failed"]) == (3, 1, 1)
    assert rows["all"]["solved"] == pytest.approx(2 / 3)
    assert rows["hard"]["n"] == rows["centrosymmetric"]["n"] == 2
    assert rows["unseen_prototype"]["n"] == rows["noncentrosymmetric"]["n"] == rows["atoms_41_up"]["n"] == 1
    shown = benchmark_table(list(rows.values()))
    assert "| r | m | 3 |" in shown
    assert "counted as unsolved: 1 of 3 by m in r." in shown


@pytest.mark.parametrize(
    ("number", "has"), [(1, False), (2, True), (198, False), (205, True), (216, False), (225, True)]
)
def test_centrosymmetric_groups(number, has):
    assert is_centrosymmetric(number) is has


def test_unknown_regimes_and_splits_are_refused_with_a_way_out(crystals):
    with pytest.raises(UserError, match="d3"):
        regime_from(config_directory(), "d3", {"full20": {"data": "hkl20_full", "observation": "ideal"}})
    with pytest.raises(UserError, match="split=dev"):
        choose_crystals(crystals, "dev", None, 0)


@pytest.mark.parametrize("option", thinned(options("observation"), {"ideal", "lab1.2"}.__contains__))
def test_every_option_of_conf_observation_makes_a_regime(option):
    regime = regime_from(config_directory(), "mine", {"mine": {"data": "hkl10_full", "observation": option}})
    assert regime.observation == instantiate(composed(f"observation={option}").observation)


@pytest.mark.parametrize("meaning", [{"data": "_base", "observation": "ideal"}, {"data": "hkl10", "observation": "d0"}])
def test_a_regime_of_no_option_is_refused(meaning):
    with pytest.raises(UserError, match="is not an option of conf/"):
        regime_from(config_directory(), "mine", {"mine": meaning})


def test_smaller_choices_lie_within_larger_ones(crystals):
    small, large = (choose_crystals(crystals, "all", count, 0).tested for count in (5, 10))
    assert large[:5] == small


def test_a_store_and_its_source_give_the_same_crystals(tiny_store):
    from_store = crystals_of_store(str(tiny_store.path))
    assert len(from_store) == len(tiny_store)
    assert from_store[3].id == tiny_store.ids()[3]


def test_the_audit_finds_what_was_put_into_training(crystals):
    copy = replace(crystals[0], id="copy", positions=(0.3 - crystals[0].positions[:, [1, 0, 2]]) % 1.0)
    # Of another formula, by an element that scatters nearly alike.
    heaviest = copy.numbers.max()
    numbers = np.where(copy.numbers == heaviest, heaviest + 1, copy.numbers)
    turned = replace(copy, lattice=crystals[0].lattice[[1, 0, 2]] * 1.01, numbers=numbers, prototype="other")
    leakage = audit(crystals[:5], [turned])
    assert (leakage.tested, leakage.formulas, leakage.prototypes) == (5, 0, 0)
    assert leakage.patterns >= 1
    assert audit(crystals[:5], crystals).formulas == 5
    assert "no training set" in str(audit(crystals[:5], []))


def test_methods_are_compared_with_a_peer_on_its_crystals_alone():
    ours = [record(id="1", seconds=0.1), record(id="2", solved=False, seconds=0.3), record(id="3", seconds=9.0)]
    theirs = [record(method="peer", id=name, solved=False, strict=True, seconds=2.0) for name in ("1", "2")]
    (found,) = compare(ours + theirs, ["peer"])
    assert (found.method, found.peer, found.n) == ("m", "peer", 2)
    assert (found.solved, found.peer_solved, found.strict, found.peer_strict) == (0.5, 0.0, 0.0, 1.0)
    assert found.speed == pytest.approx(10.0)
    assert compare(ours, ["peer"]) == []


def scrambled(batch):
    """Return the batch with another truth; the input is taken from the intensities and stays."""
    return batch | {"numbers": batch["numbers"].flip(0), "positions": torch.rand_like(batch["positions"])}


@pytest.mark.parametrize("name", ["phase_zero", "random_phase", "charge_flipping", "raar", "solver"])
def test_the_runner_hands_no_method_the_truth(name, crystals):
    few = sorted(crystals, key=lambda crystal: len(crystal.numbers))[:3]
    _, batch = next(batches(few, NOISY, InputPreparation(), frozenset(), 3, 0))
    first, second = (contender(name).run(given, NOISY)[-1].stage.solution for given in (batch, scrambled(batch)))
    assert torch.equal(first.factors, second.factors)
    for figure in ("agreement", "cycles", "expected_correlation"):
        one, other = getattr(first, figure), getattr(second, figure)
        assert (one is None and other is None) or torch.equal(one, other)


class Told:
    """A contender that answers with phases found before: a search would wander elsewhere from another origin."""

    name, identity, training, preparation = "told", "told", None, InputPreparation()

    def __init__(self, factors):
        self.factors = factors

    def fits(self, regime):
        return True

    def run(self, batch, regime):
        return [Timed.only(Solution(self.factors), 0.0)]


@pytest.mark.parametrize("name", ["phase_zero", "random_phase", "charge_flipping", "raar"])
def test_the_runner_judges_a_crystal_alike_from_any_origin_and_in_either_hand(name, crystals, tmp_path):
    few = sorted(crystals, key=lambda crystal: len(crystal.numbers))[:6]
    moved = [replace(crystal, positions=(ORIGIN - crystal.positions) % 1.0) for crystal in few]
    _, batch = next(batches(few, IDEAL, InputPreparation(), frozenset(), 8, 0))
    found = contender(name).run(batch, IDEAL)[-1].stage.solution.factors
    # ρ(x₀ − x) has the structure factors F*(h) exp(2πi h·x₀).
    indices = torch.stack(
        torch.meshgrid(*[torch.fft.fftfreq(size, 1 / size) for size in found.shape[1:]], indexing="ij")
    )
    mirrored = found.conj() * torch.exp(2j * torch.pi * ORIGIN * indices.sum(0))
    records = [
        run_contender(Told(factors), IDEAL, group, frozenset(), RunSettings(tmp_path / str(number), 8, 0))
        for number, (factors, group) in enumerate(((found, few), (mirrored, moved)))
    ]
    for one, other in zip(*records, strict=True):
        assert one.solved == other.solved
        assert one.correlation == pytest.approx(other.correlation, abs=1e-3)
        if one.solved:  # which voxels are low density depends a little on where the origin lies between them
            assert one.r_factor == pytest.approx(other.r_factor, abs=0.02)


def test_any_model_that_solves_hands_over_its_figures(crystals, tmp_path):
    class Own(DensityModel):
        def solve(self, observed, crystals):
            value = torch.arange(len(crystals)).float()
            return Solution(observed.map_amplitude().to(torch.complex64), expected_correlation=value)

    own = ModelContender(
        "own",
        lambda definition: Own(loss=MeanSquaredError(), definition=definition),
        definition=None,
        preparation=InputPreparation(),
        training=None,
        identity="own",
        device="cpu",
    )
    records = run_contender(own, IDEAL, crystals[:4], frozenset(), RunSettings(tmp_path, 8, 0))
    assert [each.expected_correlation for each in records] == [0.0, 1.0, 2.0, 3.0]
    assert all(np.isnan(each.agreement) for each in records)
    assert all(each.correlation == pytest.approx(each.floor, abs=1e-3) for each in records)


def test_a_whole_benchmark_writes_its_files(crystals, tmp_path):
    plan = BenchmarkPlan(RunSettings(tmp_path / "crystals", 8, 0), 50, 4, ["random_phase"], 0, 0, 0.05)
    chosen = choose_crystals(crystals, "all", 8, 0)
    contenders = [contender(name) for name in ("phase_zero", "random_phase")]
    rows = run_benchmark(tmp_path, chosen, [IDEAL, NOISY], contenders, [], plan, {"crystals": "few"})
    assert {(row["method"], row["regime"]) for row in rows} == {
        (method, regime) for method in ("phase_zero", "random_phase") for regime in ("ideal", "noisy")
    }
    assert (tmp_path / "benchmark.csv").read_text().splitlines()[0] == ",".join(COLUMNS)
    page = (tmp_path / "benchmark.html").read_text()
    assert "leakage" in page
    assert "http" not in page.split("</script>")[-1]


@pytest.mark.parametrize("changes", [{"confidence_count": 5}, {"scrambled_count": 5}])
def test_a_confidence_that_cannot_be_calibrated_is_refused_before_the_runs(crystals, tmp_path, changes):
    plan = BenchmarkPlan(RunSettings(tmp_path / "crystals", 8, 0), 50, 4, ["random_phase"], 0, 0, None)
    with pytest.raises(UserError, match="confidence"):  # there are no training crystals
        run_benchmark(
            tmp_path,
            choose_crystals(crystals, "all", 8, 0),
            [IDEAL],
            [contender("random_phase")],
            [],
            replace(plan, **changes),
            {},
        )
    assert not (tmp_path / "crystals").exists()


def test_a_method_that_fails_nowhere_is_not_sure_of_scrambled_data(crystals, tmp_path, monkeypatch):
    def records(contender, regime, crystals, seen, settings):
        is_false = regime.name.endswith("scrambled")
        r_factor = 0.3 if is_false else 0.1
        return [
            record(
                id=str(place),
                regime=regime.name,
                method=contender.name,
                solved=not is_false,
                r_factor=r_factor + 1e-3 * place,
                attempts=(Attempt(1, 0.1, not is_false),),
            )
            for place in range(40)
        ]

    monkeypatch.setattr(run, "run_contender", records)
    plan = BenchmarkPlan(RunSettings(tmp_path / "crystals", 8, 0), 50, 4, ["random_phase"], 4, 4, None)
    chosen = BenchmarkSet(tested=tuple(crystals[:4]), training=tuple(crystals[4:8]))
    run_benchmark(tmp_path, chosen, [IDEAL], [contender("random_phase")], [], plan, {})
    [claims] = list(csv.DictReader((tmp_path / "scrambled.csv").open()))
    assert (claims["n"], claims["above"], claims["fitted"]) == ("40", "0", "80")
