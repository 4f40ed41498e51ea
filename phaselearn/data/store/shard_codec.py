"""Shards of the pair arrays, encoded in one go and decoded chunk by chunk.

zarr sends each chunk through its event loop and two threads, which takes longer than compressing it, and holds Python's
lock meanwhile. The bytes are those of the zarr v3 specification's `sharding_indexed` codec, the same that zarr writes:
the encoded chunks one after another, then an index of (offset, length) and its CRC-32C.
"""

from __future__ import annotations

from typing import Final

import google_crc32c
import numpy as np
from numcodecs import blosc
from zarr.codecs import BloscCodec, Crc32cCodec

Chunk = tuple[bytes, bytes]

# As small as zstd makes such maps, and decoded in less time: bytes of like significance lie side by side.
_NAME: Final = "lz4"
_LEVEL = 5
CODECS = (BloscCodec(typesize=4, shuffle="shuffle", cname=_NAME, clevel=_LEVEL), Crc32cCodec())
_BLOSC = blosc.Blosc(shuffle=blosc.SHUFFLE, cname=_NAME, clevel=_LEVEL)
_ABSENT = np.iinfo(np.uint64).max
_CHECKSUM = 4  # bytes of a CRC-32C
_LENGTH = slice(4, 8)  # where the header of a Blosc buffer tells how many bytes it decodes to


def encode_shard(samples: np.ndarray, chunks_in_shard: int) -> bytes:
    """Return the bytes of a shard: one sample a chunk, encoded by `CODECS`.

    Args:
        samples: (k, …) little-endian float32.
        chunks_in_shard: places in the index, at least k; the last shard of an array may be short.
    """
    chunks = [_with_checksum(_BLOSC.encode(sample)) for sample in np.ascontiguousarray(samples)]
    index = np.full((chunks_in_shard, 2), _ABSENT, dtype="<u8")
    lengths = np.array([len(chunk) for chunk in chunks], dtype=np.uint64)
    index[: len(chunks), 0] = np.cumsum(lengths) - lengths
    index[: len(chunks), 1] = lengths
    return b"".join([*chunks, _with_checksum(index.tobytes())])


def _with_checksum(data: bytes) -> bytes:
    # The checksum covers the compressed bytes, so damage is found before anything is decoded.
    return data + google_crc32c.value(data).to_bytes(_CHECKSUM, "little")


def index_size(chunks_in_shard: int) -> int:
    """Return the bytes that the index at a shard's end takes."""
    return 16 * chunks_in_shard + _CHECKSUM


def decode_index(encoded: memoryview, chunks_in_shard: int) -> np.ndarray:
    """Return begin and end of each chunk in its shard, (chunks_in_shard, 2) int64; of an absent chunk both are 0.

    Args:
        encoded: the last `index_size` bytes of the shard.
        chunks_in_shard: places in the index.

    Raises:
        ValueError: damaged.
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
    """Return a chunk's compressed bytes and its checksum, as copies: the shard that they lay in may be let go."""
    return bytes(encoded[:-_CHECKSUM]), bytes(encoded[-_CHECKSUM:])


def decode_chunk(chunk: Chunk, sample: np.ndarray) -> None:
    """Decode a chunk into a contiguous little-endian float32 sample of one axis.

    Raises:
        ValueError: damaged, or absent.
    """
    compressed, checksum = chunk
    _check(compressed, checksum)
    size = int.from_bytes(compressed[_LENGTH], "little")
    if size != sample.nbytes:
        raise ValueError(f"it holds {size} bytes, not {sample.nbytes}")
    # Not through the codec's object, which looks at its arguments for as long as a chunk takes to decode.
    blosc.decompress(compressed, sample)


def _check(data: bytes, checksum: bytes) -> None:
    if not data or google_crc32c.value(data) != int.from_bytes(checksum, "little"):
        raise ValueError("its checksum does not match" if data else "it is absent")
