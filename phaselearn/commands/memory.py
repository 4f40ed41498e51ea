"""Tell the C library to keep large freed blocks, because every step on a CPU needs them again."""

from __future__ import annotations

import ctypes
import sys

# Parameters of glibc's mallopt(3).
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_KEPT = 1 << 30  # bytes


def keep_freed_memory() -> None:
    """Keep freed blocks of up to 1 GiB in the process; nothing where the C library is another than glibc.

    By default glibc maps each block above 32 MiB, and many below, from the kernel and gives it back: the page faults
    cost a network of large and few layers a fifth of its time. All threads share one heap: each of those that read
    a store would keep a heap of its own.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _KEPT)
        mallopt(_M_TRIM_THRESHOLD, _KEPT)
        mallopt(_M_ARENA_MAX, 1)
