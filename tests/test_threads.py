"""The number of threads of a piece of work."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info

from phaselearn.errors import UserError
from phaselearn.threads import limited_to


def in_use() -> set[int]:
    """Return the threads of every library that has some."""
    np.linalg.inv(np.eye(3))  # loads the linear algebra
    return {torch.get_num_threads(), *(pool["num_threads"] for pool in threadpool_info())}


def test_every_library_keeps_to_the_limit_and_gets_its_own_back() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with limited_to(2):
            assert in_use() == {2}
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_no_thread_is_refused() -> None:
    with pytest.raises(UserError, match="threads=0"), limited_to(0):
        pass
