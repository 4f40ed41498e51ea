"""The codec of the pair arrays: shards are encoded at once and decoded chunk by chunk.

zarr sends each chunk through its event loop and two threads, which takes longer than compressing it and holds Python's
lock meanwhile. The bytes are those that zarr writes, by the codec `sharding_indexed` of the zarr v3 specification: the
encoded chunks one after another, then an index of (offset, length), and its CRC-32C.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Literal

import google_crc32c
import numpy as np
from numcodecs import blosc
from zarr.codecs import BloscCodec, Crc32cCodec

Chunk = tuple[bytes, bytes]

_BOX_AXES = 3
# Compresses such maps as much as zstd does, since it puts bytes of equal significance side by side; decodes faster.
_OF_BOXES: Final = "lz4"
# Takes no room for the zeros behind a short list, of which lz4 leaves one byte in 250.
_OF_LISTS: Final = "zstd"
_LEVEL = 5
_ABSENT = np.iinfo(np.uint64).max
_CHECKSUM = 4  # bytes of a CRC-32C
_LENGTH = slice(4, 8)  # where the header of a Blosc buffer tells how many bytes it decodes to


def codecs_of(axes: int) -> tuple[Any, ...]:
    """Return the codecs of a chunk whose sample has so many axes, as zarr names them."""
    return BloscCodec(typesize=4, shuffle="shuffle", cname=_name(axes), clevel=_LEVEL), Crc32cCodec()


def _name(axes: int) -> Literal["lz4", "zstd"]:
    return _OF_BOXES if axes == _BOX_AXES else _OF_LISTS


def encode_shard(samples: Iterable[np.ndarray], chunks_in_shard: int) -> bytes:
    """Return the bytes of a shard: each sample is a chunk, encoded by `codecs_of` its axes.

    Args:
        samples: k samples of equal shapes, little-endian float32.
        chunks_in_shard: number of places in the index, at least k; the last shard of an array may hold fewer samples.
    """
    chunks = [_with_checksum(_compressed(np.ascontiguousarray(sample))) for sample in samples]
    index = np.full((chunks_in_shard, 2), _ABSENT, dtype="<u8")
    lengths = np.array([len(chunk) for chunk in chunks], dtype=np.uint64)
    index[: len(chunks), 0] = np.cumsum(lengths) - lengths
    index[: len(chunks), 1] = lengths
    return b"".join([*chunks, _with_checksum(index.tobytes())])


def _compressed(sample: np.ndarray) -> bytes:
    encoder = blosc.Blosc(shuffle=blosc.SHUFFLE, cname=_name(sample.ndim), clevel=_LEVEL)
    encoded: bytes = encoder.encode(sample)
    return encoded


def _with_checksum(data: bytes) -> bytes:
    # The checksum is that of the compressed bytes, so that damage is found before they are decoded.
    return data + google_crc32c.value(data).to_bytes(_CHECKSUM, "little")


def index_size(chunks_in_shard: int) -> int:
    """Return the length in bytes of the index at the end of a shard."""
    return 16 * chunks_in_shard + _CHECKSUM


def decode_index(encoded: memoryview, chunks_in_shard: int) -> np.ndarray:
    """Return begin and end of each chunk in its shard, (chunks_in_shard, 2) int64; both are 0 for an absent chunk.

    Args:
        encoded: the last `index_size` bytes of the shard.
        chunks_in_shard: number of places in the index.

    Raises:
        ValueError: the index is damaged.
    """
    if len(encoded) != index_size(chunks_in_shard):
        raise ValueError("the shard is cut short")
    data, checksum = split_chunk(encoded)
    _check(data, checksum)
    index = np.frombuffer(data, dtype="<u8").reshape(-1, 2)
    absent = index[:, 0] == _ABSENT
    begin, length = np.where(absent[:, None], 0, index).astype(np.int64).T
    return np.stack([begin, begin + length], axis=1)


def split_chunk(encoded: memoryview) -> Chunk:
    """Return copies of a chunk's compressed bytes and of its checksum, so that the shard need not stay in memory."""
    return bytes(encoded[:-_CHECKSUM]), bytes(encoded[-_CHECKSUM:])


def decode_chunk(chunk: Chunk, sample: np.ndarray) -> None:
    """Decode a chunk into a contiguous little-endian float32 sample of one axis.

    Raises:
        ValueError: the chunk is damaged or absent.
    """
    compressed, checksum = chunk
    _check(compressed, checksum)
    size = int.from_bytes(compressed[_LENGTH], "little")
    if size != sample.nbytes:
        raise ValueError(f"it holds {size} bytes, not {sample.nbytes}")
    # Not by the codec's method, which takes as long to check its arguments as a chunk takes to decode.
    blosc.decompress(compressed, sample)


def _check(data: bytes, checksum: bytes) -> None:
    if not data or google_crc32c.value(data) != int.from_bytes(checksum, "little"):
        raise ValueError("its checksum does not match" if data else "it is absent")
