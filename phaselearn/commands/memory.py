"""Tell the C library to keep large freed blocks, because every step on a CPU needs them again."""

from __future__ import annotations

import ctypes
import sys

# Parameters of glibc's mallopt(3).
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_KEPT = 1 << 30  # bytes


def keep_freed_memory() -> None:
    """Keep freed blocks of up to 1 GiB in the process; with a C library other than glibc, nothing is done.

    By default, glibc requests each block above 32 MiB, and many smaller ones, from the kernel and returns it when it is
    freed. The page faults cost a network of few and large layers a fifth of its time. All threads share one heap here,
    since each thread that reads a store would otherwise keep its own.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _KEPT)
        mallopt(_M_TRIM_THRESHOLD, _KEPT)
        mallopt(_M_ARENA_MAX, 1)
