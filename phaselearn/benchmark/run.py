"""A whole benchmark: run, judge, calibrate, and write the table, the page and the records of all crystals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from phaselearn.benchmark.comparison import Comparison, compare
from phaselearn.benchmark.confidence import Calibration, check
from phaselearn.benchmark.crystals import BenchmarkSet, in_random_order
from phaselearn.benchmark.curves import curves_of, with_starts, write_curves
from phaselearn.benchmark.homometry import HomometricPair, homometric_pairs
from phaselearn.benchmark.leakage import audit, seen_by
from phaselearn.benchmark.markdown import markdown
from phaselearn.benchmark.page import PAGE_FILE, write_page
from phaselearn.benchmark.paired import PAIRED_FILE, Paired, paired
from phaselearn.benchmark.records import CrystalRecord, write_records
from phaselearn.benchmark.regimes import Regime
from phaselearn.benchmark.results import Results
from phaselearn.benchmark.runner import Contender, RunSettings, run_contender
from phaselearn.benchmark.scrambling import FalseClaims, false_claims, scrambled, unsolved
from phaselearn.benchmark.table import Row, summarise_records, write_table
from phaselearn.errors import UserError
from phaselearn.files import write_csv, write_whole

RECORDS_FILE = "crystals.csv"
CALIBRATION_FILE = "confidence.csv"
CLAIMS_FILE = "scrambled.csv"
COMPARISON_FILE = "comparison.csv"
HOMOMETRY_FILE = "homometry.csv"
MARKDOWN_FILE = "benchmark.md"


@dataclass(frozen=True)
class BenchmarkPlan:
    """Settings of a benchmark, and the parts of it beside the runs.

    Attributes:
        settings: settings of the runs.
        resamples: number of bootstrap samples.
        peer_count: largest number of crystals for outside programs.
        confidence: names of the methods with a calibrated confidence.
        confidence_count: number of training crystals that the confidence is fitted on, with their data and with
            scrambled ones; 0 for no calibration.
        scrambled_count: number of tested crystals whose data are scrambled, too, to count false claims of a solution.
        homometry: largest R at which |F| of two crystals agree; None to skip the search for such pairs.
    """

    settings: RunSettings
    resamples: int
    peer_count: int
    confidence: Sequence[str]
    confidence_count: int
    scrambled_count: int
    homometry: float | None


def run_benchmark(
    folder: Path,
    crystals: BenchmarkSet,
    regimes: Sequence[Regime],
    contenders: Sequence[Contender],
    peers: Sequence[Contender],
    plan: BenchmarkPlan,
    facts: Mapping[str, str],
) -> list[Row]:
    """Run what has not been run yet and write everything.

    A method that cannot read a regime has no row in it. Outside programs are slow, so they get fewer crystals, and are
    compared with the methods on these crystals alone.

    Args:
        folder: run folder.
        crystals: tested and training crystals.
        regimes: regimes in the order of the table.
        contenders: our methods.
        peers: outside programs.
        plan: settings, and the further parts of the benchmark.
        facts: lines of the page's header by name.

    Returns:
        The rows of the table.

    Raises:
        UserError: a confidence is asked for, but there are no crystals to fit it on.
    """
    _check(plan, crystals, contenders)
    seen = frozenset(crystal.prototype for crystal in crystals.training)
    few = crystals.tested[: plan.peer_count]
    records: list[CrystalRecord] = []
    outside: list[CrystalRecord] = []
    for regime in regimes:
        for contender in contenders:
            if contender.fits(regime):
                records += run_contender(contender, regime, crystals.tested, seen, plan.settings)
        for each in peers:
            outside += run_contender(each, regime, few, seen, plan.settings)
    rows = summarise_records(records + outside, plan.resamples)
    calibrations, claims = _calibrate(crystals, regimes, contenders, records, seen, plan)
    comparisons = compare(records + outside, [each.name for each in peers])
    curves = with_starts(curves_of(records + outside, plan.resamples))
    beside = paired(records)
    facts = dict(facts) | {"leakage": str(audit(crystals.tested, crystals.training))}
    facts |= {
        f"training of {each.name}": seen_by(each.training, crystals.tested) for each in contenders if each.training
    }
    if plan.homometry is not None:
        pairs = homometric_pairs(crystals.tested, plan.homometry)
        facts |= {"homometry": _homometry_text(pairs, len(crystals.tested), plan.homometry)}
        write_csv(folder / HOMOMETRY_FILE, [asdict(pair) for pair in pairs], list(HomometricPair.__annotations__))
    write_records(folder / RECORDS_FILE, records + outside, exact=False)
    write_table(folder, rows)
    write_curves(folder, curves)
    for name, kind, values in (
        (PAIRED_FILE, Paired, beside),
        (COMPARISON_FILE, Comparison, comparisons),
        (CALIBRATION_FILE, Calibration, calibrations),
        (CLAIMS_FILE, FalseClaims, claims),
    ):
        write_csv(folder / name, [asdict(value) for value in values], list(kind.__annotations__))
    results = Results(rows, curves, beside, comparisons, calibrations, claims)
    write_whole(folder / MARKDOWN_FILE, markdown(facts, results).encode())
    write_page(folder / PAGE_FILE, "Phasing methods compared", facts, results)
    return rows


def _check(plan: BenchmarkPlan, crystals: BenchmarkSet, contenders: Sequence[Contender]) -> None:
    """Refuse a confidence that cannot be calibrated before hours of runs, not after them."""
    if not plan.confidence_count:
        if plan.scrambled_count:
            raise UserError(
                f"scrambled_count={plan.scrambled_count} needs a confidence, which training crystals calibrate, e.g. "
                "split=validation confidence_count=300"
            )
        return
    if not set(plan.confidence) <= {each.name for each in contenders} or not crystals.training:
        raise UserError(
            f"confidence=[{','.join(plan.confidence)}] needs these methods among the models and a split with training "
            "crystals beside it, e.g. split=validation, or confidence_count=0"
        )


def _calibrate(
    crystals: BenchmarkSet,
    regimes: Sequence[Regime],
    contenders: Sequence[Contender],
    records: Sequence[CrystalRecord],
    seen: frozenset[str],
    plan: BenchmarkPlan,
) -> tuple[list[Calibration], list[FalseClaims]]:
    """Fit the confidence of the methods that have one, check it, and count what they claim of scrambled data.

    It is fitted on training crystals and on their scrambled data, none of which has a solution: where nearly every
    crystal is solved, a method would not see otherwise what it looks like if it fails.
    """
    if not plan.confidence_count:
        return [], []
    methods = [each for each in contenders if each.name in plan.confidence]
    fitted_on = in_random_order(crystals.training, plan.settings.seed)[: plan.confidence_count]
    calibrations, claims = [], []
    for regime in regimes:
        for method in methods:
            if not method.fits(regime):
                continue
            false = run_contender(method, scrambled(regime), fitted_on, seen, plan.settings)
            fitted = run_contender(method, regime, fitted_on, seen, plan.settings) + unsolved(false)
            own = [record for record in records if record.method == method.name and record.regime == regime.name]
            calibrations.append(check(fitted, own))
            if plan.scrambled_count:
                few = crystals.tested[: plan.scrambled_count]
                claims.append(
                    false_claims(regime, fitted, run_contender(method, scrambled(regime), few, seen, plan.settings))
                )
    return calibrations, claims


def _homometry_text(pairs: Sequence[HomometricPair], count: int, epsilon: float) -> str:
    involved = len({name for pair in pairs for name in (pair.first, pair.second)})
    return (
        f"{len(pairs)} pairs of the {count} crystals, {involved} crystals in all, have |F| within R = {epsilon} of "
        "each other in one lattice although their maps correlate below 0.9"
    )
