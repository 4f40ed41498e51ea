"""The probability that CC ≥ 0.9, from figures of merit alone: fitted on training crystals, checked on others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from phaselearn.benchmark.records import CrystalRecord

_RECALL = 0.8
_BINS = 10
_FEWEST = 5  # solved and unsolved crystals that a fit needs; from fewer, only the rate can be learned

FIGURES = (
    "r_factor",
    "skewness",
    "peakiness",
    "symmetry",
    "inversion",
    "agreement",
    "cycles",
    "expected_correlation",
    "volume",
    "reflections",
)
_LOGARITHMS = ("skewness", "peakiness", "cycles", "volume", "reflections")


def features(records: Sequence[CrystalRecord]) -> np.ndarray:
    """Return the figures of merit (n, 10) in the order of `FIGURES`; NaN where a crystal or a method has none."""
    table = np.array([[getattr(record, name) for name in FIGURES] for record in records], dtype=float)
    table = table.reshape(-1, len(FIGURES))
    for name in _LOGARITHMS:
        column = FIGURES.index(name)
        table[:, column] = np.log(np.clip(table[:, column], 1e-3, None))
    return np.where(np.isinf(table), np.nan, table)


class Confidence:
    """A logistic regression on the figures of merit; a figure that a crystal lacks counts as average.

    Args:
        records: records of crystals with a known truth. Crystals that are not counted are left out, and so are those
            for which the method gave no map, since they are known to be unsolved.
    """

    def __init__(self, records: Sequence[CrystalRecord]) -> None:
        from sklearn.impute import SimpleImputer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        counted = [record for record in records if record.counted and not record.failed]
        solved = np.array([record.solved for record in counted], dtype=bool)
        self._always: float | None = None
        if min(solved.sum(), (~solved).sum()) < _FEWEST:
            # The rate itself, with one success and one failure added.
            self._always = float((solved.sum() + 1) / (len(solved) + 2))
            return
        table = features(counted)
        # Figures that the method lacks are left out.
        self._known = ~np.isnan(table).all(0)
        self._model = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression())
        self._model.fit(table[:, self._known], solved)

    def __call__(self, records: Sequence[CrystalRecord]) -> np.ndarray:
        """Return the probability (n,) that each record's CC is at least 0.9; 0 where there is no map."""
        if self._always is not None:
            stated = np.full(len(records), self._always)
        else:
            stated = self._model.predict_proba(features(records)[:, self._known])[:, 1]
        return np.where([record.failed for record in records], 0.0, stated)


@dataclass(frozen=True)
class Calibration:
    """The check of a method's confidence in a regime.

    Attributes:
        regime, method: names of the regime and the method.
        fitted: number of data sets that the confidence was fitted on, scrambled ones included.
        checked: number of crystals that it was checked on.
        expected_error: expected calibration error over ten bins of equally many crystals.
        auc: area under the ROC curve; NaN if all crystals are solved or none is.
        precision: share of solved crystals among the most confident ones, at the confidence down to which 80 % of the
            solved crystals are found; NaN if none is solved.
        stated, found: mean probability and share solved of each bin, for the reliability diagram.
    """

    regime: str
    method: str
    fitted: int
    checked: int
    expected_error: float
    auc: float
    precision: float
    stated: tuple[float, ...]
    found: tuple[float, ...]


HEADINGS = (
    "regime",
    "method",
    "fitted on",
    "checked on",
    "expected calibration error",
    "AUC",
    f"precision at recall {_RECALL}",
)


def table_cells(calibration: Calibration) -> tuple[str, ...]:
    """Return a row of a table under `HEADINGS`."""
    return (
        calibration.regime,
        calibration.method,
        str(calibration.fitted),
        str(calibration.checked),
        f"{calibration.expected_error:.3f}",
        f"{calibration.auc:.3f}",
        f"{calibration.precision:.3f}",
    )


def check(fitted: Sequence[CrystalRecord], checked: Sequence[CrystalRecord]) -> Calibration:
    """Fit the confidence of one method in one regime on some records and check it on others."""
    counted = [record for record in checked if record.counted]
    probability = Confidence(fitted)(counted)
    solved = np.array([record.solved for record in counted], dtype=bool)
    order = np.argsort(probability, kind="stable")
    parts = [part for part in np.array_split(order, _BINS) if len(part)]
    stated = [float(probability[part].mean()) for part in parts]
    found = [float(solved[part].mean()) for part in parts]
    weights = np.array([len(part) for part in parts]) / max(1, len(order))
    return Calibration(
        regime=checked[0].regime,
        method=checked[0].method,
        fitted=sum(record.counted for record in fitted),
        checked=len(counted),
        expected_error=float(weights @ np.abs(np.subtract(stated, found))),
        auc=area_under_curve(probability, solved),
        precision=precision_at_recall(probability, solved, _RECALL),
        stated=tuple(stated),
        found=tuple(found),
    )


def area_under_curve(score: np.ndarray, positive: np.ndarray) -> float:
    """Return the area under the ROC curve; NaN without both positives and negatives."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(positive, score)) if positive.any() and not positive.all() else float("nan")


def precision_at_recall(score: np.ndarray, positive: np.ndarray, recall: float) -> float:
    """Return the share of positives among the highest scores, at the highest threshold that reaches the recall."""
    from sklearn.metrics import precision_recall_curve

    if not positive.any():
        return float("nan")
    precisions, recalls, _ = precision_recall_curve(positive, score)
    return float(precisions[recalls >= recall][-1])
