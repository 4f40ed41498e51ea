"""How a benchmark states its figures: one line each, against a bound where there is one."""

from __future__ import annotations

import os
import sys
from typing import Any

import torch

# Options that a timed trainer leaves out.
QUIET: dict[str, Any] = {
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "use_distributed_sampler": False,
    "limit_val_batches": 0,
}


def state_machine() -> None:
    """Print what the figures depend on."""
    threads = os.environ.get("OMP_NUM_THREADS", "unset")
    print(f"{os.cpu_count()} cores, OMP_NUM_THREADS={threads}, torch {torch.__version__}")


class Figures:
    """Prints figures as they come; `finish` exits 1 if one fell short."""

    def __init__(self) -> None:
        self.short: list[str] = []

    def state(self, name: str, value: float) -> None:
        """Print a figure without a bound."""
        print(f"{name}: {value:.4g}", flush=True)

    def at_least(self, name: str, value: float, bound: float) -> None:
        """Print a figure that must not be smaller."""
        self._judge(name, value, f"at least {bound:g}", value >= bound)

    def at_most(self, name: str, value: float, bound: float) -> None:
        """Print a figure that must not be larger."""
        self._judge(name, value, f"at most {bound:g}", value <= bound)

    def _judge(self, name: str, value: float, bound: str, met: bool) -> None:
        print(f"{name}: {value:.4g} ({bound}) {'ok' if met else 'short'}", flush=True)
        if not met:
            self.short.append(name)

    def finish(self) -> None:
        """Exit 1 if a figure fell short."""
        sys.exit(1 if self.short else 0)
