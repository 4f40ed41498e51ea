"""Reads pairs shard by shard: a shard is fetched once, and its chunks are decoded as batches need them.

Bytes are fetched through the array's zarr store, from a disk or a bucket, but decoded without zarr, which would take a
hundred times as long (see `phaselearn.data.store.shard_codec`).
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any

import numpy as np
import zarr
from zarr.abc.store import RangeByteRequest, SuffixByteRequest

from phaselearn.data.store.files import shard_length
from phaselearn.data.store.shard_codec import Chunk, decode_chunk, decode_index, index_size, split_chunk
from phaselearn.data.store.zarr_internals import default_buffer_prototype, sync

# Largest gap in bytes between two wanted chunks that are fetched in one request, since another would take longer.
_READ_ALONG = 1 << 16
_ROWS_AT_ONCE = 4096  # rows that are read at a time


class ShardReader:
    """Reads samples of one array, whose chunks are single samples in shards.

    Args:
        array: the array (n, …), float32.
        wanted: rows (k,) that are going to be read, ascending. When one of them is read, the others in its shard are
            fetched with it, and kept until they are read.
        held: largest number of samples that are kept; the shard that was fetched first is dropped first.
        damage: function that makes the exception for a row whose chunk cannot be read, from the row and the cause.
    """

    def __init__(
        self, array: zarr.Array[Any], wanted: np.ndarray, held: int, damage: Callable[[int, Exception], Exception]
    ) -> None:
        self._array = array
        self._length = shard_length(array)
        self._wanted = wanted
        self._limit = held
        self._damage = damage
        # {shard: {row: chunk}}. Chunks are kept encoded, which takes less memory, and as copies: a view would keep the
        # whole shard in memory until the last of its rows is read.
        self._held: OrderedDict[int, dict[int, Chunk]] = OrderedDict()

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Return the samples at rows (k,), float32 (k, …).

        Raises:
            Exception: the one that `damage` makes, if a chunk cannot be read.
        """
        samples = np.empty((len(rows), *self._array.shape[1:]), dtype="<f4")
        flat = samples.reshape(len(rows), -1)
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            block = rows[start : start + _ROWS_AT_ONCE].tolist()
            self._fetch(block)
            for row, sample in zip(block, flat[start : start + _ROWS_AT_ONCE], strict=True):
                try:
                    decode_chunk(self._held[row // self._length][row], sample)
                except (ValueError, RuntimeError) as error:
                    raise self._damage(row, error) from error
            self._forget(block)
        return samples

    def _fetch(self, rows: Sequence[int]) -> None:
        """Fetch the chunks of those rows that are not in memory."""
        missing: dict[int, set[int]] = {}
        for row in rows:
            shard = row // self._length
            if row not in self._held.get(shard, ()):
                missing.setdefault(shard, set()).add(row)
        if not missing:
            return
        for shard, asked in missing.items():
            first, last = np.searchsorted(self._wanted, (shard * self._length, (shard + 1) * self._length))
            asked.update(self._wanted[first:last].tolist())
        for shard, chunks in zip(missing, sync(self._request(missing)), strict=True):
            self._held[shard] = chunks
            self._held.move_to_end(shard)

    def _forget(self, rows: Sequence[int]) -> None:
        for row in rows:
            self._held[row // self._length].pop(row, None)
        for shard in {row // self._length for row in rows}:
            if not self._held[shard]:
                del self._held[shard]
        while sum(map(len, self._held.values())) > self._limit:
            self._held.popitem(last=False)

    async def _request(self, missing: dict[int, set[int]]) -> Sequence[dict[int, Chunk]]:
        return await asyncio.gather(*(self._read_chunks(shard, sorted(rows)) for shard, rows in missing.items()))

    async def _read_chunks(self, shard: int, rows: list[int]) -> dict[int, Chunk]:
        """Return the encoded chunks at some rows of a shard."""
        places = [row - shard * self._length for row in rows]
        size = index_size(self._length)
        try:
            if 2 * len(rows) > self._length:
                whole = await self._get(shard, None)
                spans = decode_index(whole[-size:], self._length)[places].tolist()
                return {row: split_chunk(whole[begin:end]) for row, (begin, end) in zip(rows, spans, strict=True)}
            spans = decode_index(await self._get(shard, SuffixByteRequest(size)), self._length)[places].tolist()
            ranges = _joined(span for span in spans if span[0] < span[1])
            parts = await asyncio.gather(*(self._get(shard, RangeByteRequest(*part)) for part in ranges))
        except Exception as error:  # a bucket has errors of its own
            raise self._damage(rows[0], error) from error
        chunks = {}
        for row, (begin, end) in zip(rows, spans, strict=True):
            if begin == end:
                chunks[row] = b"", b""  # absent, which the decoder reports
                continue
            number = bisect_right(ranges, begin, key=itemgetter(0)) - 1
            offset = ranges[number][0]
            chunks[row] = split_chunk(parts[number][begin - offset : end - offset])
        return chunks

    async def _get(self, shard: int, part: RangeByteRequest | SuffixByteRequest | None) -> memoryview:
        place = self._array.store_path / self._array.metadata.encode_chunk_key((shard,) + (0,) * (self._array.ndim - 1))
        found = await place.store.get(place.path, prototype=default_buffer_prototype(), byte_range=part)
        if found is None:
            raise ValueError("its shard is missing")
        return found.as_numpy_array().data.cast("B")


def _joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the ranges of bytes to fetch; spans that are near each other are joined."""
    ranges: list[tuple[int, int]] = []
    for begin, end in sorted(spans):
        if ranges and begin <= ranges[-1][1] + _READ_ALONG:
            ranges[-1] = (ranges[-1][0], max(end, ranges[-1][1]))
        else:
            ranges.append((begin, end))
    return ranges
