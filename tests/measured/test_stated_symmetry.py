"""Space groups by their symbols and numbers."""

from __future__ import annotations

import pytest

from phaselearn.errors import UserError
from phaselearn.measured.stated_symmetry import operations_named


@pytest.mark.parametrize(
    ("name", "order"), [(1, 1), ("1", 1), (14, 4), ("P 21/n", 4), ("P2_1/n", 4), ("F 4/m -3 2/m", 192), (230, 96)]
)
def test_a_group_is_known_by_symbol_and_number(name: str | int, order: int) -> None:
    assert len(operations_named(name)) == order


@pytest.mark.parametrize("name", [0, "0", 231, -1, "P", ""])
def test_any_other_name_is_refused(name: str | int) -> None:
    with pytest.raises(UserError, match=f"space_group={name} is not a space group"):
        operations_named(name)
