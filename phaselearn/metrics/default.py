"""The metric that compares runs which were judged by different metrics, or which name none."""

METRIC, DIRECTION = "val/median_cc", "max"
