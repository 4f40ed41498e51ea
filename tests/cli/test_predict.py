"""`phaselearn predict` and `predict`: maps and a table of structures, from a trained network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gemmi
import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from phaselearn import predict
from phaselearn.data.split import split_of
from phaselearn.data.store.pair_store import PairStore
from phaselearn.errors import UserError
from tests.cli.folders import SMALL, table
from tests.cli.inside import call, new_folder
from tests.data.sources.readers.structures import SALT


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a run of one epoch, judged on all its crystals, their store, and predictions for it."""
    judged = ("evaluation=table", "evaluation.crystals=200", "evaluation.split=all", "evaluation.methods=[]")
    with new_folder(tmp_path_factory) as folder:
        assert call("train", *SMALL, "trainer.max_epochs=1", "data.store=a.zarr", "run=run", *judged) == 0
        assert call("predict", "run=run", "store=a.zarr", "output=predicted", "quiet=true") == 0
        SALT.to(filename="salt.cif")
        Path("measured.hkl").write_text("   1   0   0  100.00    1.00\n")
        Path("torn.cif").write_text("data_torn\n_cell_length_a 5")
        yield folder


@pytest.fixture
def rows(workplace: Path) -> list[dict[str, str]]:
    return table(workplace / "predicted" / "predictions.csv")


def test_the_table_has_the_judgements_of_the_run(workplace: Path, rows: list[dict[str, str]]) -> None:
    """The run judged the pairs of its store, in other batches; here, each pair is made from its atoms."""
    judged = {row["id"]: row for row in table(workplace / "run" / "crystals.csv")}
    assert {row["id"] for row in rows} == judged.keys()
    counted = [row for row in rows if row["correlation"]]
    assert len(counted) == sum(row["counted"] == "True" for row in judged.values()) > 50
    for row in counted:
        for name in ("correlation", "floor", "gain"):
            assert float(row[name]) == pytest.approx(float(judged[row["id"]][name]), abs=2e-3), name
        assert row["solved"] == judged[row["id"]]["solved"]


def test_formulas_of_the_training_are_marked(rows: list[dict[str, str]]) -> None:
    assert {row["formula_seen"] for row in rows} == {"True", "False"}
    assert all((row["formula_seen"] == "True") == (split_of(row["formula"]) == "train") for row in rows)


def test_each_crystal_has_a_map_of_its_cell(workplace: Path, rows: list[dict[str, str]]) -> None:
    store = PairStore("a.zarr")
    lattices = dict(zip(store.ids().tolist(), store.lattices(), strict=True))
    assert len({row["map"] for row in rows}) == len(rows) == len(store)
    for row in rows[:10]:
        volume = gemmi.read_ccp4_map(str(workplace / "predicted" / row["map"]), setup=True)
        assert volume.grid.shape == (10, 10, 10)
        assert volume.grid.unit_cell.volume == pytest.approx(abs(np.linalg.det(lattices[row["id"]])), rel=1e-5)


def test_what_a_command_left_unfinished_goes_on(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C within the third block; the command that goes on predicts nothing that is there."""
    from phaselearn.prediction import predictor

    asked: list[int] = []
    superimposed = predictor.superimposed

    def counted(prediction, batch, definition):
        asked.append(len(prediction))
        if len(asked) == 3:
            raise KeyboardInterrupt
        return superimposed(prediction, batch, definition)

    monkeypatch.setattr(predictor, "superimposed", counted)
    words = ("predict", "run=run", "store=a.zarr", "output=stopped")
    assert call(*words) == 130
    assert not (workplace / "stopped" / "predictions.csv").exists()
    asked += [0, 0]  # it is not stopped again
    assert call(*words) == 0
    assert sum(asked) - asked[2] == 120
    assert table(workplace / "stopped" / "predictions.csv") == table(workplace / "predicted" / "predictions.csv")
    assert not (workplace / "stopped" / "parts").exists()
    before = len(asked)
    assert call(*words) == 0
    assert len(asked) == before


def test_an_entry_that_cannot_be_used_is_listed_and_the_others_are_predicted(workplace: Path) -> None:
    folder = workplace / "mixed"
    folder.mkdir()
    SALT.to(filename=str(folder / "salt.cif"))
    (folder / "torn.cif").write_text("data_torn\n_cell_length_a 5")
    (folder / "long.json").write_text(Structure(Lattice.cubic(40), ["Na"], [[0, 0, 0]]).to_json())
    words = ("source=folder", "source.path=mixed", "source.cell=as_given", "observation=d1.5", "maps=false")
    assert call("predict", "run=run", *words, "output=mixed_out") == 0
    [row] = table(workplace / "mixed_out" / "predictions.csv")
    assert (row["id"], row["formula"], row["atoms"], row["map"]) == ("salt.cif", "NaCl", "8", "")
    reasons = {row["id"]: row["reason"] for row in table(workplace / "mixed_out" / "left_out.csv")}
    assert reasons.keys() == {"torn.cif", "long.json"}
    assert reasons["long.json"] == "cell edge longer than 30 Å"
    assert not (workplace / "mixed_out" / "maps").exists()


def test_python_gives_the_same_from_a_file_and_from_a_structure(workplace: Path) -> None:
    from ase.build import bulk

    salt, same, atoms = predict("run", [workplace / "salt.cif", SALT, bulk("NaCl", "rocksalt", 5.64, cubic=True)])
    assert (salt.crystal.id, same.crystal.id, atoms.crystal.id) == ("salt.cif", "1", "2")
    for other in (same, atoms):
        np.testing.assert_allclose(other.density, salt.density, atol=1e-3 * abs(salt.density).max())
        assert other.correlation == pytest.approx(salt.correlation, abs=1e-3)
    salt.write_map("salt.ccp4")
    assert gemmi.read_ccp4_map("salt.ccp4").grid.unit_cell.a == pytest.approx(5.64)


def test_a_checkpoint_and_the_weights_of_the_package_are_networks_too(workplace: Path) -> None:
    [of_run], [of_checkpoint] = (predict(network, [SALT]) for network in ("run", workplace / "run" / "best.ckpt"))
    np.testing.assert_array_equal(of_run.density, of_checkpoint.density)
    assert call("predict", "weights=unrolled", "source=folder", "source.path=salt.cif", "output=unrolled") == 0
    [row] = table(workplace / "unrolled" / "predictions.csv")
    assert row["formula_seen"] == ""
    assert gemmi.read_ccp4_map(str(workplace / "unrolled" / row["map"])).grid.shape == (20, 20, 20)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "predict without a network: a network by one of run= and weights= is needed"),
        (("run=run",), "predict without crystals"),
        (("run=run", "weights=unrolled", "store=a.zarr"), "run= and weights="),
        (("run=nowhere", "store=a.zarr"), "nowhere is not a run folder"),
        (("weights=unroled", "store=a.zarr"), "unroled is not a run folder"),
        (("run=run", "store=nowhere.zarr"), "nowhere.zarr"),
        (("run=run", "store=a.zarr", "batch_size=0"), "batch_size=0"),
        (("run=run", "store=a.zarr", "checkpoint=first"), "checkpoint=first is unknown"),
        (("run=run", "store=a.zarr", "output=predicted", "seed=1"), "holds another run (seed: 0 there, 1 asked)"),
        (("run=run", "source=folder", "source.path=measured.hkl"), "`phaselearn solve measured.hkl`"),
        (("run=run", "source=file", "source.path=measured.hkl"), "holds measured reflections"),
        (
            ("run=run", "measured.hkl"),
            "measured.hkl has no key: reflections are solved by `phaselearn solve measured.hkl`",
        ),
        (("run", "store=a.zarr"), "run has no key: a run folder is given by run=run"),
        (("run=run", "salt.cif"), "structures are given by source=folder source.path=salt.cif"),
        (
            ("run=run", "source=folder", "source.path=nowhere"),
            "e.g. `phaselearn predict run=run source=folder source.path=FOLDER`",
        ),
        (("run=run", "source=folder", "source.path=torn.cif"), "none of 1 entries could be predicted"),
    ],
)
def test_a_mistake_is_one_line(
    workplace: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str
) -> None:
    assert call("predict", *words) == 2
    assert told in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([3], "structure 0 is int: a path"),
        (["nowhere.cif"], "nowhere.cif is not there"),
        ([Structure(Lattice.cubic(4), [{"Na": 0.5}], [[0, 0, 0]])], "structure 0 .* cannot be used .partial occupancy"),
        ([SALT, Structure(Lattice.cubic(40), ["Na"], [[0, 0, 0]])], "structure 1 .* longer than 30 Å"),
    ],
)
def test_a_structure_that_cannot_be_used_is_named(workplace: Path, given: list[object], told: str) -> None:
    with pytest.raises(UserError, match=told):
        list(predict("run", given))
