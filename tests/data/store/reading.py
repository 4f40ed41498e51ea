"""Reading in a process of its own, which imports no more than it needs."""

from __future__ import annotations

from multiprocessing.queues import Queue

import numpy as np

from phaselearn.data.store.pair_store import PairStore
from phaselearn.errors import UserError


def read_and_tell(store: PairStore, answers: Queue[str]) -> None:
    """Read a pair, and answer "read" or with the error."""
    try:
        store.read_pairs("density", np.array([0]))
        answers.put("read")
    except UserError as error:
        answers.put(str(error))
