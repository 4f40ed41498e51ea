"""The memory that a cache may take."""

from __future__ import annotations

import os
from pathlib import Path


def free_memory() -> int:
    """Return the number of bytes of memory that are free, or could be made free."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
