"""Shards of the pair arrays, encoded in one go and decoded chunk by chunk.

zarr sends each chunk through its event loop and two threads, which takes five times as long as compressing it, and
holds Python's lock meanwhile. The bytes are those of the zarr v3 specification's `sharding_indexed` codec, the same
that zarr writes: the encoded chunks one after another, then an index of (offset, length) and its CRC-32C.
"""

from __future__ import annotations

import google_crc32c
import numpy as np
import zstandard

ZSTD_LEVEL = 1
_ABSENT = np.iinfo(np.uint64).max
_CHECKSUM = 4  # bytes of a CRC-32C


def encode_shard(samples: np.ndarray, chunks_in_shard: int) -> bytes:
    """Return the bytes of a shard: one sample a chunk, zstd, CRC-32C.

    Args:
        samples: (k, …) little-endian float32.
        chunks_in_shard: places in the index, at least k; the last shard of an array may be short.
    """
    zstd = zstandard.ZstdCompressor(level=ZSTD_LEVEL)
    chunks = [_with_checksum(zstd.compress(sample)) for sample in np.ascontiguousarray(samples)]
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


def decode_index(encoded: bytes, chunks_in_shard: int) -> np.ndarray:
    """Return begin and end of each chunk in its shard, (chunks_in_shard, 2) int64; of an absent chunk both are 0.

    Args:
        encoded: the last `index_size` bytes of the shard.
        chunks_in_shard: places in the index.

    Raises:
        ValueError: damaged.
    """
    if len(encoded) != index_size(chunks_in_shard):
        raise ValueError("the shard is cut short")
    index = np.frombuffer(_checked(encoded), dtype="<u8").reshape(-1, 2)
    absent = index[:, 0] == _ABSENT
    begin, length = np.where(absent[:, None], 0, index).astype(np.int64).T
    return np.stack([begin, begin + length], axis=1)


def decode_chunk(encoded: bytes, zstd: zstandard.ZstdDecompressor, sample: np.ndarray) -> None:
    """Decode a chunk into a contiguous little-endian float32 sample.

    Args:
        encoded: the chunk.
        zstd: for many chunks; a new one for each would take longer than the decoding.
        sample: where to.

    Raises:
        ValueError: damaged, or absent.
    """
    decoded = zstd.decompress(_checked(encoded))
    if len(decoded) != sample.nbytes:
        raise ValueError(f"it holds {len(decoded)} bytes, not {sample.nbytes}")
    sample.reshape(-1)[:] = np.frombuffer(decoded, dtype="<f4")


def _checked(encoded: bytes) -> bytes:
    data, checksum = encoded[:-_CHECKSUM], encoded[-_CHECKSUM:]
    if not len(data) or google_crc32c.value(data) != int.from_bytes(checksum, "little"):
        raise ValueError("its checksum does not match" if len(data) else "it is absent")
    return data
