"""Space groups as lists of operations: gemmi is the oracle."""

import gemmi
import numpy as np
import pytest

from phaselearn.structure.space_group import SpaceGroup


def test_every_tabulated_setting_comes_back_from_its_triplets() -> None:
    for entry in gemmi.spacegroup_table():
        group = SpaceGroup.named(entry.xhm())
        again = gemmi.find_spacegroup_by_ops(gemmi.GroupOps([gemmi.Op(text) for text in group.triplets]))
        assert again.operations() == entry.operations()
        assert group.number == entry.number
        assert group.is_centrosymmetric == entry.operations().is_centrosymmetric()
        assert group.is_chiral == entry.is_sohncke()
        assert len(group.primitive) * len(group.centrings) == group.order


def test_the_identity_and_the_zero_centring_come_first() -> None:
    group = SpaceGroup.named("F d -3 m :1")
    assert (group.rotations[0] == np.eye(3)).all()
    assert (group.centrings[0] == 0).all()
    assert not group.has_inversion_at_origin
    assert SpaceGroup.named("F d -3 m :2").has_inversion_at_origin


def test_an_unknown_symbol_is_told() -> None:
    with pytest.raises(ValueError, match="P 9"):
        SpaceGroup.named("P 9")
