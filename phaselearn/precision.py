"""Precisions of networks; `${cpu_precision:}` is the one in which this processor trains fastest."""

from __future__ import annotations

import platform
from pathlib import Path

from omegaconf import OmegaConf

from phaselearn.errors import choose

OF_STARTS = ("bf16-mixed", "32-true")
LINUX = Path("/proc/cpuinfo")
_NATIVE = frozenset({"avx512_bf16", "amx_tile"})  # as Linux writes them


def cpu_precision() -> str:
    """Return `bf16-mixed` where this processor computes in bfloat16, `32-true` elsewhere.

    A processor that has to emulate bfloat16 takes several times as long as in float32.
    """
    is_x86 = platform.machine() in ("x86_64", "AMD64")
    if is_x86 and LINUX.is_file():  # it lists what torch would ask the processor, and torch takes seconds to import
        return "bf16-mixed" if _NATIVE & set(LINUX.read_text(encoding="utf-8").split()) else "32-true"
    import torch

    if is_x86:
        # oneDNN says that it supports bfloat16 on every processor with AVX-512, and emulates it on many.
        is_native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    else:
        is_native = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return "bf16-mixed" if is_native else "32-true"


def is_mixed(precision: str) -> bool:
    """Return whether a network among the starts computes in bfloat16.

    Raises:
        UserError: the precision is not in `OF_STARTS`.
    """
    return choose("starts.precision", precision, OF_STARTS, command="phaselearn solve") == "bf16-mixed"


def register_precision() -> None:
    """Make `${cpu_precision:}` known to configurations."""
    OmegaConf.register_new_resolver("cpu_precision", cpu_precision, replace=True)
