"""The calibration of the confidence of a structure: a logistic regression on what `solve_calculated.py --csv` wrote.

    python benchmarks/fit_confidence.py CSV …

Prints the coefficients of `phaselearn.determination.confidence`, and how often structures are right in bins of the
probability that is found with each crystal left out in turn.
"""

from __future__ import annotations

import argparse
import csv
from itertools import pairwise

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

NAMES = ("r1", "log_overdetermination", "agreement", "loose", "lacking", "lower", "spread", "odd")
BINS = (0, 0.1, 0.5, 0.8, 0.9, 0.95, 0.99, 1.01)
STRENGTH = 0.6  # weight of the squared coefficients of standardised figures


def main() -> None:
    """Fit, and print the coefficients and the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="+")
    rows: list[dict[str, str]] = []
    for path in parser.parse_args().tables:
        with open(path, newline="") as file:
            rows += [row for row in csv.DictReader(file) if row.get(NAMES[0])]
    figures = np.array([[float(row[name]) for name in NAMES] for row in rows])
    right = np.array([int(row["right"]) for row in rows])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1 / STRENGTH))
    left_out = cross_val_predict(model, figures, right, cv=LeaveOneOut(), method="predict_proba")[:, 1]
    scaler, logistic = (step for _, step in model.fit(figures, right).steps)
    weights = logistic.coef_[0] / scaler.scale_
    print(f"structures: {len(rows)}, right: {right.sum()}")
    print(f"constant: {logistic.intercept_[0] - weights @ scaler.mean_:.2f}")
    for name, weight in zip(NAMES, weights, strict=True):
        print(f"{name}: {weight:.2f}")
    for low, high in pairwise(BINS):
        inside = (left_out >= low) & (left_out < high)
        print(f"probability {low} to {min(high, 1)}: {right[inside].sum()} of {inside.sum()} are right")


if __name__ == "__main__":
    main()
