"""Shards of the pair arrays, encoded in one go.

zarr sends each chunk through its event loop and two threads, which takes five times as long as compressing it, and
holds Python's lock meanwhile. The bytes are those of the zarr v3 specification's `sharding_indexed` codec, the same
that zarr writes: the encoded chunks one after another, then an index of (offset, length) and its CRC-32C.
"""

from __future__ import annotations

import google_crc32c
import numpy as np
from numcodecs.zstd import Zstd

ZSTD_LEVEL = 1


def encode_shard(samples: np.ndarray, chunks_in_shard: int) -> bytes:
    """Return the bytes of a shard: one sample a chunk, zstd, CRC-32C.

    Args:
        samples: (k, …) little-endian float32.
        chunks_in_shard: places in the index, at least k; the last shard of an array may be short.
    """
    zstd = Zstd(level=ZSTD_LEVEL)
    chunks = [_with_checksum(zstd.encode(sample)) for sample in np.ascontiguousarray(samples)]
    index = np.full((chunks_in_shard, 2), np.iinfo(np.uint64).max, dtype="<u8")  # the mark of an absent chunk
    lengths = np.array([len(chunk) for chunk in chunks], dtype=np.uint64)
    index[: len(chunks), 0] = np.cumsum(lengths) - lengths
    index[: len(chunks), 1] = lengths
    return b"".join([*chunks, _with_checksum(index.tobytes())])


def _with_checksum(data: bytes) -> bytes:
    # The checksum covers the compressed bytes, so damage is found before anything is decoded.
    return data + google_crc32c.value(data).to_bytes(4, "little")
