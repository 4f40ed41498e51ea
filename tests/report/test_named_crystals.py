"""The cells of crystals that a run shows by name."""

from phaselearn.commands.session import build_data
from phaselearn.report.named_crystals import cell_of_named, named_loader
from phaselearn.testing.options import composed


def test_the_test_crystal_has_two_molecules_beside_data_that_are_taken_as_given(tiny_store, tmp_path):
    given = composed("data=hkl10", "source=file", "source.path=x").source.cell
    data = build_data(composed("data=hkl10", f"data.store={tiny_store.path}"))
    for cell, atoms in ((given, 4), (None, 4), ("conventional", 8)):
        [batch] = named_loader(data, ["alpha_F2"], cell_of_named(cell), tmp_path / "named.zarr")
        assert (batch["numbers"] == 9).sum() == atoms
