"""Observed reflections: rows, resolution, boxes with edges of their own, against lists of reflections."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor

from phaselearn.crystal.layout import friedel_mate, inside_nyquist, miller_box, resized
from phaselearn.crystal.observed import Observed
from phaselearn.crystal.reflection_grid import ReflectionGrid, grid_shapes
from phaselearn.crystal.rows import PaddedRows, Rows
from phaselearn.phasing.measurement import Measurement
from phaselearn.phasing.reflections import ReflectionList
from tests.conftest import random_crystals

SHAPE = (6, 10, 8)


def observed_on(shape: tuple[int, int, int] = SHAPE, count: int = 3) -> Observed:
    lattice, _, _ = random_crystals(count, 2, seed=4)
    generator = torch.Generator().manual_seed(1)
    amplitude = torch.rand(count, *shape, generator=generator, dtype=torch.float64) + 0.1
    mask = (torch.rand(count, *shape, generator=generator) < 0.8) & inside_nyquist(shape)
    mask &= friedel_mate(mask)
    mask[:, 0, 0, 0] = False
    amplitude = (amplitude + friedel_mate(amplitude)) * mask
    return Observed(amplitude, mask, lattice)


def listed(observed: Observed, row: int) -> dict[tuple[int, ...], float]:
    """Return {hkl: |F|} of a crystal, read one by one."""
    found = {}
    for place in product(*(range(size) for size in observed.shape)):
        if observed.mask[(row, *place)]:
            hkl = tuple(i if 2 * i < size else i - size for i, size in zip(place, observed.shape, strict=True))
            found[hkl] = float(observed.amplitude[(row, *place)])
    return found


def spacing(lattice: Tensor, hkl: tuple[int, ...]) -> float:
    return 1 / float(np.linalg.norm(np.linalg.inv(lattice.numpy()) @ np.array(hkl)))


@pytest.mark.parametrize("rows", [torch.tensor([2, 0, 2]), torch.tensor([True, False, True]), slice(1, None)])
def test_rows_are_those_of_every_tensor(rows: Tensor | slice) -> None:
    observed = observed_on()
    part = observed[rows]
    numbers = torch.arange(3)[rows].tolist()
    assert len(part) == len(numbers)
    assert [listed(part, place) for place in range(len(part))] == [listed(observed, number) for number in numbers]
    assert torch.equal(part.lattice, observed.lattice[numbers])


def test_joined_rows_are_those_that_were_parted() -> None:
    observed = observed_on()
    back = Observed.joined([observed[:1], observed[1:]])
    assert all(torch.equal(getattr(back, name), getattr(observed, name)) for name in ("amplitude", "mask", "lattice"))


def test_rows_that_are_replaced_chosen_and_gathered_are_those_of_plain_lists() -> None:
    observed, other = observed_on(), observed_on(count=5)[2:]
    both = [[listed(some, row) for row in range(3)] for some in (observed, other)]
    replaced = observed.with_rows(torch.tensor([2, 0]), other[:2])
    assert [listed(replaced, row) for row in range(3)] == [both[1][1], both[0][1], both[1][0]]
    assert [listed(observed, row) for row in range(3)] == both[0]
    chosen = Observed.where(torch.tensor([True, False, True]), observed, other)
    assert [listed(chosen, row) for row in range(3)] == [both[0][0], both[1][1], both[0][2]]
    parts = [observed[torch.tensor([1])], observed[torch.tensor([2, 0])]]
    gathered = Observed.gathered(parts, [torch.tensor([1]), torch.tensor([2, 0])])
    assert [listed(gathered, row) for row in range(3)] == both[0]


def test_lists_of_different_lengths_are_padded_where_they_meet() -> None:
    @dataclass(frozen=True)
    class Words(PaddedRows):
        letters: Tensor
        count: Tensor
        lists = ("letters",)

    short, long = Words(torch.ones(2, 1), torch.ones(2)), Words(torch.full((1, 3), 2.0), torch.tensor([3.0]))
    joined = Words.joined([short, long])
    assert joined.letters.tolist() == [[1, 0, 0], [1, 0, 0], [2, 2, 2]]
    assert joined.count.tolist() == [1, 1, 3]
    assert short.with_rows(torch.tensor([1]), long).letters.tolist() == [[1, 0, 0], [2, 2, 2]]
    assert long.with_rows(torch.tensor([0]), short[:1]).letters.tolist() == [[1, 0, 0]]
    assert long.resized(2).letters.tolist() == [[2, 2]]


def test_lists_hold_the_reflections_of_boxes_with_three_edges_and_give_them_back() -> None:
    observed, other = observed_on(), observed_on((8, 6, 4), 2)
    reflections = ReflectionList.joined([ReflectionList.of(observed), ReflectionList.of(other)])
    assert reflections.box.tolist() == [list(SHAPE)] * 3 + [[8, 6, 4]] * 2
    for part, rows in ((observed, slice(0, 3)), (other, slice(3, 5))):
        lists = reflections[rows].trimmed()
        back = lists.boxes(lists.amplitude.to(torch.complex128)).real
        for row in range(len(part)):
            known = lists.measured[row]
            hkl = [tuple(map(int, index)) for index in lists.index[row][known].tolist()]
            assert {*hkl, *(tuple(-i for i in index) for index in hkl)} == set(listed(part, row))
            assert len(hkl) == int(part.unique_reflections()[row])
            spacings = torch.tensor([spacing(part.lattice[row], index) for index in hkl], dtype=torch.float64)
            torch.testing.assert_close(lists.inverse_square[row][known], spacings**-2)
            total = sum(listed(part, row)[index] ** 2 for index in hkl) ** 0.5
            torch.testing.assert_close(back[row], part.amplitude[row] / total)


def test_rows_within_rows_are_taken_and_what_holds_for_all_stays() -> None:
    @dataclass(frozen=True)
    class Inner(Rows):
        value: Tensor

    @dataclass(frozen=True)
    class Outer(Rows):
        shape: tuple[int, int]
        inner: Inner
        nothing: Tensor | None

    part = Outer((1, 2), Inner(torch.arange(4)), None)[torch.tensor([3, 1])]
    assert part.inner.value.tolist() == [3, 1]
    assert (part.shape, part.nothing, len(part)) == ((1, 2), None, 2)


@pytest.mark.parametrize("d_min", [0.8, 1.5])
def test_cut_leaves_the_reflections_of_larger_spacing(d_min: float) -> None:
    observed = observed_on()
    for row in range(3):
        kept = {
            hkl: value for hkl, value in listed(observed, row).items() if spacing(observed.lattice[row], hkl) >= d_min
        }
        assert listed(observed.cut(d_min), row) == kept
        assert len(kept) < len(listed(observed, row)) or d_min < 1


def test_cut_box_leaves_the_small_indices() -> None:
    observed = observed_on()
    kept = {hkl: value for hkl, value in listed(observed, 0).items() if max(map(abs, hkl)) <= 2}
    assert listed(observed.cut_box(2), 0) == kept


def test_another_box_holds_the_same_reflections_as_far_as_it_has_room() -> None:
    observed = observed_on()
    larger, smaller = observed.cropped((8, 10, 12)), observed.cropped((6, 6, 8))
    assert listed(larger, 1) == listed(observed, 1)
    assert listed(smaller, 1) == {hkl: value for hkl, value in listed(observed, 1).items() if abs(hkl[1]) < 3}
    assert torch.equal(resized(larger.amplitude, SHAPE), observed.amplitude)


def test_largest_indices_are_those_of_the_list() -> None:
    observed = observed_on().cut(1.2)
    wanted = [np.abs(list(listed(observed, row))).max(0).tolist() for row in range(3)]
    assert observed.largest_indices().tolist() == wanted


def test_spacings_on_a_box_with_three_edges() -> None:
    observed = observed_on()
    square = observed.inverse_d_squared()
    indices = miller_box(SHAPE)
    for place in ((1, 2, 3), (5, 9, 1), (2, 0, 7)):
        hkl = tuple(int(index[i]) for index, i in zip(indices, place, strict=True))
        assert float(square[(0, *place)]) == pytest.approx(spacing(observed.lattice[0], hkl) ** -2, rel=1e-9)


def test_permuted_axes_give_permuted_measurements_and_the_same_grid() -> None:
    observed = observed_on()
    amplitude, mask = (box.permute(0, 3, 1, 2) for box in (observed.amplitude, observed.mask))
    turned = Observed(amplitude, mask, observed.lattice[:, [2, 0, 1]])
    maps = []
    for some, shape in ((observed, (8, 12, 10)), (turned, (10, 8, 12))):
        maps.append(torch.fft.irfftn(Measurement.of(some, shape).amplitude, s=shape, dim=(1, 2, 3)))
    torch.testing.assert_close(maps[0].permute(0, 3, 1, 2), maps[1])
    torch.testing.assert_close(grid_shapes(observed), grid_shapes(turned))
    shape = tuple(grid_shapes(observed).amax(0).tolist())
    grids = [ReflectionGrid.of(some, shape) for some in (observed, turned)]
    torch.testing.assert_close(grids[0].amplitude, grids[1].amplitude)
    boxes = [
        grid.full_box(grid.amplitude.to(torch.complex128), some.shape)
        for grid, some in zip(grids, (observed, turned), strict=True)
    ]
    torch.testing.assert_close(boxes[0].permute(0, 3, 1, 2), boxes[1])
