"""The number of threads of a piece of work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits

from phaselearn.errors import UserError


@contextmanager
def limited_to(count: int) -> Iterator[None]:
    """Let torch and the linear algebra of NumPy and SciPy work on so many threads.

    Raises:
        UserError: the count is below 1.
    """
    if count < 1:
        raise UserError(f"threads={count}: at least 1 is needed, e.g. threads=1")
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with threadpool_limits(count):
            yield
    finally:
        torch.set_num_threads(before)
