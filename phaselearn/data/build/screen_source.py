"""Read and screen a source, block by block, into files of the store under construction."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from phaselearn.data.build.blocks import Block
from phaselearn.data.build.repeats import id_digests, repeated
from phaselearn.data.build.shared_build import Pieces, SharedBuild, piece_key
from phaselearn.data.pairs import PairDefinition
from phaselearn.data.processes import in_processes
from phaselearn.data.screening import screen
from phaselearn.data.store.files import BUILDING, GATHERED
from phaselearn.data.store.storage import Storage
from phaselearn.data.structures import REPEATED, Crystal, LeftOut, Source, storable, unreadable
from phaselearn.progress import Progress

ENTRIES_A_BLOCK = 256
_BLOCKS, _SUFFIX = f"{BUILDING}/blocks", ".npz"


@dataclass(frozen=True)
class ScreenedSource:
    """The contents of the blocks in numbers.

    Attributes:
        crystals: number of crystals in each block.
        atoms: number of atoms of all crystals together.
        left_out: {cause: number of entries that were left out for it}.
        displaced: whether any crystal gives its displacement parameters.
        longest: length of the longest list of reflections; 0 if the pairs are boxes.
    """

    crystals: list[int]
    atoms: int
    left_out: dict[str, int]
    displaced: bool
    longest: int


def screened_source(storage: Storage) -> ScreenedSource | None:
    """Return the contents of the blocks; None if they are not all there, or not yet gathered."""
    try:
        return ScreenedSource(**json.loads(storage.read(GATHERED)))
    except FileNotFoundError:
        return None


def write_blocks(build: SharedBuild, source: Source, longest_edge: float, definition: PairDefinition) -> int:
    """Write those blocks of a source that are missing, together with other processes, and return how many there are.

    Args:
        build: the store under construction.
        source: where the crystals come from.
        longest_edge: crystals with a longer cell edge (Å) are left out.
        definition: definition of the pairs; crystals with elements that scatter in an unknown way are left out.

    Raises:
        BuildEnded: another process has finished or replaced the build.
    """
    write = partial(_write_block, build.storage, source.reader(), longest_edge, definition)
    pieces = Pieces(build, _BLOCKS, _SUFFIX, lambda: enumerate(_blocks(source.raw_entries())), write)
    total = len(source)
    done = sum(_entries(number, total) for number in pieces.done)
    with Progress("reading structures", total or None, done) as progress:
        for number in pieces:
            progress.advance(_entries(number, total))
    return len(pieces.done)


def gather_blocks(build: SharedBuild, blocks: int, definition: PairDefinition) -> ScreenedSource:
    """Leave out repeated ids, and return the contents of all blocks; one process does so, when all blocks are there."""
    storage = build.storage
    counts = list(in_processes(partial(_count_block, storage, definition), range(blocks), build.workers))
    for number, again in repeated([counted.pop("ids") for counted in counts]).items():
        block = _without(read_block(storage, number), again)
        storage.write(block_key(number), block.encode())
        counts[number] = _counted(block, definition)
    screened = ScreenedSource(
        [counted["crystals"] for counted in counts],
        sum(counted["atoms"] for counted in counts),
        dict(sorted(sum((Counter(counted["left_out"]) for counted in counts), Counter()).items())),
        any(counted["displaced"] for counted in counts),
        max((counted["longest"] for counted in counts), default=0),
    )
    storage.write(GATHERED, json.dumps(vars(screened)).encode())
    return screened


def block_key(number: int) -> str:
    """Return the key of a block's file."""
    return piece_key(_BLOCKS, number, _SUFFIX)


def read_block(storage: Storage, number: int) -> Block:
    """Return a block."""
    return Block.decode(storage.read(block_key(number)))


def _blocks(entries: Iterable[Any]) -> Iterator[list[Any]]:
    entries = iter(entries)
    while block := list(islice(entries, ENTRIES_A_BLOCK)):
        yield block


def _entries(block: int, total: int) -> int:
    """Return the number of entries of a block, the largest possible if the total is not known (0)."""
    return min(ENTRIES_A_BLOCK, total - block * ENTRIES_A_BLOCK) if total else ENTRIES_A_BLOCK


def _write_block(
    storage: Storage,
    read: Callable[[Any], Iterable[Crystal | LeftOut]],
    longest_edge: float,
    definition: PairDefinition,
    task: tuple[int, list[Any]],
) -> None:
    """Read and screen the entries of a block, and write it."""
    number, raw = task
    block = _screened([entry for one in raw for entry in read(one)], longest_edge, definition)
    storage.write(block_key(number), block.encode())


def _count_block(storage: Storage, definition: PairDefinition, number: int) -> dict[str, Any]:
    block = read_block(storage, number)
    return _counted(block, definition) | {"ids": id_digests(block.crystals)}


def _counted(block: Block, definition: PairDefinition) -> dict[str, Any]:
    return {
        "crystals": len(block.crystals),
        "atoms": sum(len(crystal.numbers) for crystal in block.crystals),
        "left_out": Counter(entry.cause for entry in block.left_out),
        "displaced": any(crystal.u_iso is not None for crystal in block.crystals),
        "longest": max((definition.list_length(crystal.lattice) for crystal in block.crystals), default=0),
    }


def _without(block: Block, again: np.ndarray) -> Block:
    """Return the block without the crystals that are marked, which are left out for their ids."""
    kept = [crystal for crystal, repeats in zip(block.crystals, again, strict=True) if not repeats]
    left_out = [
        LeftOut(crystal.id, REPEATED) for crystal, repeats in zip(block.crystals, again, strict=True) if repeats
    ]
    return Block(kept, [*block.left_out, *left_out])


def _screened(entries: list[Crystal | LeftOut], longest_edge: float, definition: PairDefinition) -> Block:
    crystals = [entry for entry in entries if isinstance(entry, Crystal)]
    left_out = [LeftOut(storable(entry.id), storable(entry.reason)) for entry in entries if isinstance(entry, LeftOut)]
    kept = []
    for crystal, reason in zip(crystals, _reasons(crystals, longest_edge, definition), strict=True):
        if reason is None:
            kept.append(crystal)
        else:
            left_out.append(LeftOut(storable(crystal.id), reason))
    return Block(kept, left_out)


def _reasons(crystals: list[Crystal], longest_edge: float, definition: PairDefinition) -> list[str | None]:
    """Return why each crystal is rejected, or None; a crystal that would end the build later is rejected, too."""
    try:
        reasons = screen(crystals, longest_edge=longest_edge, scattering=definition.scattering)
    except Exception as error:
        reason = str(unreadable(error))
        if len(crystals) == 1:
            return [reason]
        return [reason for crystal in crystals for reason in _reasons([crystal], longest_edge, definition)]
    return [reason or _unwritable(crystal, definition) for crystal, reason in zip(crystals, reasons, strict=True)]


def _unwritable(crystal: Crystal, definition: PairDefinition) -> str | None:
    """Return why a store's arrays or card cannot hold a crystal, or None."""
    if any(storable(name) != name for name in (crystal.id, crystal.prototype)):
        return "a name that cannot be printed, or is very long"
    if not 1 <= crystal.space_group <= 230:
        return f"no such space group ({crystal.space_group})"
    if not definition.may_list(crystal.lattice):
        return f"too large a cell for a {definition.extent}"
    return None
