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
from phaselearn.data.pairs import PairDefinition
from phaselearn.data.processes import in_processes
from phaselearn.data.screening import screen
from phaselearn.data.store.files import BUILDING, GATHERED
from phaselearn.data.store.storage import Storage
from phaselearn.data.structures import REPEATED, Crystal, LeftOut, Source, storable, unreadable
from phaselearn.progress import Progress

ENTRIES_A_BLOCK = 256


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


def screen_source(
    storage: Storage, source: Source, longest_edge: float, definition: PairDefinition, workers: int | None
) -> ScreenedSource:
    """Write those blocks of a source that are missing.

    Args:
        storage: files of the store under construction.
        source: where the crystals come from.
        longest_edge: crystals with a longer cell edge (Å) are left out.
        definition: definition of the pairs; crystals with elements that scatter in an unknown way are left out.
        workers: number of processes, see `in_processes`.
    """
    if storage.has(GATHERED):
        return ScreenedSource(**json.loads(storage.read(GATHERED)))
    there = set(storage.sizes(f"{BUILDING}/blocks"))
    counts: list[dict[str, Any]] = []
    with Progress("reading structures", len(source) or None) as progress:
        tasks = (
            # The entries of a block that is there already are not sent to another process.
            (number, None if block_key(number) in there else entries)
            for number, entries in enumerate(_blocks(source.raw_entries()))
        )
        for size, counted in in_processes(
            partial(_gather_block, storage, source.reader(), longest_edge, definition), tasks, workers
        ):
            progress.advance(size)
            counts.append(counted)
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
    return f"{BUILDING}/blocks/{number:08}.npz"


def read_block(storage: Storage, number: int) -> Block:
    """Return a block."""
    return Block.decode(storage.read(block_key(number)))


def _blocks(entries: Iterable[Any]) -> Iterator[list[Any]]:
    entries = iter(entries)
    while block := list(islice(entries, ENTRIES_A_BLOCK)):
        yield block


def _gather_block(
    storage: Storage,
    read: Callable[[Any], Iterable[Crystal | LeftOut]],
    longest_edge: float,
    definition: PairDefinition,
    task: tuple[int, list[Any] | None],
) -> tuple[int, dict[str, Any]]:
    """Read, screen and write a block; return its number of entries, and its contents in numbers."""
    number, raw = task
    if raw is None:
        block = read_block(storage, number)
    else:
        block = _screened([entry for one in raw for entry in read(one)], longest_edge, definition)
        storage.write(block_key(number), block.encode())
    counted = _counted(block, definition) | {"ids": id_digests(block.crystals)}
    return ENTRIES_A_BLOCK if raw is None else len(raw), counted


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
