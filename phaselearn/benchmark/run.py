"""A whole benchmark: run, judge, calibrate, and write the table, the page and what each crystal did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from phaselearn.benchmark.confidence import Calibration, check
from phaselearn.benchmark.crystals import BenchmarkSet, in_random_order
from phaselearn.benchmark.homometry import HomometricPair, homometric_pairs
from phaselearn.benchmark.leakage import audit
from phaselearn.benchmark.page import PAGE_FILE, write_page
from phaselearn.benchmark.records import CrystalRecord, write_records, write_rows
from phaselearn.benchmark.regimes import Regime
from phaselearn.benchmark.runner import Contender, RunSettings, run_contender
from phaselearn.benchmark.table import Row, markdown_table, summarise_records, write_table
from phaselearn.errors import UserError

RECORDS_FILE = "crystals.csv"
CALIBRATION_FILE = "confidence.csv"
HOMOMETRY_FILE = "homometry.csv"
MARKDOWN_FILE = "benchmark.md"


@dataclass(frozen=True)
class BenchmarkPlan:
    """What is done beside running the methods.

    Attributes:
        settings: of the runs.
        resamples: of the bootstrap.
        peer_count: crystals for outside programs.
        confidence: method whose confidence is calibrated.
        confidence_count: training crystals that it is fitted on; 0 for no calibration.
        homometry: R from which |F| of two crystals agree; None leaves the search out.
    """

    settings: RunSettings
    resamples: int
    peer_count: int
    confidence: str
    confidence_count: int
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

    A method that cannot read a regime has no row in it. Outside programs are slow and get fewer crystals;
    benchmark.md has a table of all methods on those alone.

    Args:
        folder: of the run.
        crystals: tested and training crystals.
        regimes: in the order of the table.
        contenders: our methods.
        peers: outside programs.
        plan: what else is done.
        facts: for the page's header.

    Returns:
        The rows of the table.

    Raises:
        UserError: a confidence is asked for where there is nothing to fit it on.
    """
    seen = frozenset(crystal.prototype for crystal in crystals.training)
    few = crystals.tested[: plan.peer_count]
    few_ids = {crystal.id for crystal in few}
    records: list[CrystalRecord] = []
    compared: list[CrystalRecord] = []
    for regime in regimes:
        ours = [
            record
            for contender in contenders
            if contender.fits(regime)
            for record in run_contender(contender, regime, crystals.tested, seen, plan.settings)
        ]
        theirs = [record for each in peers for record in run_contender(each, regime, few, seen, plan.settings)]
        records += ours
        if theirs:
            compared += [record for record in ours if record.id in few_ids] + theirs
    rows = summarise_records(records, plan.resamples)
    compared_rows = summarise_records(compared, plan.resamples)
    calibrations = _calibrate(crystals, regimes, contenders, records, seen, plan)
    facts = dict(facts) | {"leakage": str(audit(crystals.tested, crystals.training))}
    if plan.homometry is not None:
        pairs = homometric_pairs(crystals.tested, plan.homometry)
        facts |= {"homometry": _homometry_text(pairs, len(crystals.tested), plan.homometry)}
        write_rows(folder / HOMOMETRY_FILE, [asdict(pair) for pair in pairs], list(HomometricPair.__annotations__))
    names = {each.name for each in peers}
    everything = rows + [row for row in compared_rows if row["method"] in names]
    write_records(folder / RECORDS_FILE, records + [record for record in compared if record.method in names])
    write_table(folder, everything)
    (folder / MARKDOWN_FILE).write_text(_markdown(facts, rows, compared_rows, calibrations))
    write_page(folder / PAGE_FILE, "Phasing methods compared", facts, everything, calibrations)
    return everything


def _calibrate(
    crystals: BenchmarkSet,
    regimes: Sequence[Regime],
    contenders: Sequence[Contender],
    records: Sequence[CrystalRecord],
    seen: frozenset[str],
    plan: BenchmarkPlan,
) -> list[Calibration]:
    if not plan.confidence_count:
        return []
    method = next((each for each in contenders if each.name == plan.confidence), None)
    if method is None or not crystals.training:
        raise UserError(
            f"confidence={plan.confidence} needs that method among the models and a split with training crystals "
            "beside it, e.g. split=validation, or confidence_count=0"
        )
    fitted_on = in_random_order(crystals.training, plan.settings.seed)[: plan.confidence_count]
    return [
        check(
            regime.name,
            run_contender(method, regime, fitted_on, seen, plan.settings),
            [record for record in records if record.method == method.name and record.regime == regime.name],
        )
        for regime in regimes
    ]


def _homometry_text(pairs: Sequence[HomometricPair], count: int, epsilon: float) -> str:
    involved = len({name for pair in pairs for name in (pair.first, pair.second)})
    return (
        f"{len(pairs)} pairs of the {count} crystals, {involved} crystals in all, have |F| within R = {epsilon} of "
        "each other in one lattice although their maps correlate below 0.9"
    )


def _markdown(
    facts: Mapping[str, str],
    rows: Sequence[Row],
    compared: Sequence[Row],
    calibrations: Sequence[Calibration],
) -> str:
    parts = ["\n".join(f"- {name}: {text}" for name, text in facts.items())]
    parts += [f"### {subset}\n\n{markdown_table(rows, subset)}" for subset in ("all", "hard", "unseen_prototype")]
    if compared:
        parts.append(f"### On the crystals of the outside programs\n\n{markdown_table(compared)}")
    if calibrations:
        lines = [
            "| regime | fitted on | checked on | expected calibration error | AUC | precision at recall 0.8 |",
            "|---|---:|---:|---:|---:|---:|",
        ]
        lines += [
            f"| {each.regime} | {each.fitted} | {each.checked} | {each.expected_error:.3f} | {each.auc:.3f} "
            f"| {each.precision:.3f} |"
            for each in calibrations
        ]
        parts.append("### Confidence\n\n" + "\n".join(lines))
    return "\n\n".join(parts) + "\n"
