"""Schedules of the learning rate: its factor at each share of the training that is done."""

from __future__ import annotations

import math


def cosine(share: float) -> float:
    """Return a factor that falls from 1 to 0 along half a cosine (Loshchilov & Hutter, ICLR 2017, without restarts).

    Args:
        share: the share of the training that is done, from 0 to 1.
    """
    return (1 + math.cos(math.pi * share)) / 2
