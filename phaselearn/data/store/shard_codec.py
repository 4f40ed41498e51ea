"""The codec of the pair arrays: shards are encoded at once and decoded chunk by chunk.

zarr sends each chunk through its event loop and two threads, which takes longer than compressing it and holds Python's
lock meanwhile. The bytes are those that zarr writes, by the codec `sharding_indexed` of the zarr v3 specification: the
encoded chunks one after another, then an index of (offset, length), and its CRC-32C.
"""

from __future__ import annotations

from typing import Final

import google_crc32c
import numpy as np
from numcodecs import blosc
from zarr.codecs import BloscCodec, Crc32cCodec

Chunk = tuple[bytes, bytes]

# Compresses such maps as much as zstd does, since it puts bytes of equal significance side by side; decodes faster.
_NAME: Final = "lz4"
_LEVEL = 5
CODECS = (BloscCodec(typesize=4, shuffle="shuffle", cname=_NAME, clevel=_LEVEL), Crc32cCodec())
_BLOSC = blosc.Blosc(shuffle=blosc.SHUFFLE, cname=_NAME, clevel=_LEVEL)
_ABSENT = np.iinfo(np.uint64).max
_CHECKSUM = 4  # bytes of a CRC-32C
_LENGTH = slice(4, 8)  # where the header of a Blosc buffer tells how many bytes it decodes to


def encode_shard(samples: np.ndarray, chunks_in_shard: int) -> bytes:
    """Return the bytes of a shard: each sample is a chunk, encoded by `CODECS`.

    Args:
        samples: samples (k, …), little-endian float32.
        chunks_in_shard: number of places in the index, at least k; the last shard of an array may hold fewer samples.
    """
    chunks = [_with_checksum(_BLOSC.encode(sample)) for sample in np.ascontiguousarray(samples)]
    index = np.full((chunks_in_shard, 2), _ABSENT, dtype="<u8")
    lengths = np.array([len(chunk) for chunk in chunks], dtype=np.uint64)
    index[: len(chunks), 0] = np.cumsum(lengths) - lengths
    index[: len(chunks), 1] = lengths
    return b"".join([*chunks, _with_checksum(index.tobytes())])


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
