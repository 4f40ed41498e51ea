"""The precision in which this processor trains fastest, for configurations that leave it open: `${cpu_precision:}`."""

from __future__ import annotations

import platform

from omegaconf import OmegaConf


def cpu_precision() -> str:
    """Return `bf16-mixed` where this processor computes in bfloat16, `32-true` elsewhere.

    A processor that has to emulate bfloat16 takes several times as long as in float32.
    """
    import torch

    if platform.machine() in ("x86_64", "AMD64"):
        # oneDNN says that it supports bfloat16 on every processor with AVX-512, and emulates it on many.
        is_native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    else:
        is_native = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return "bf16-mixed" if is_native else "32-true"


def register_precision() -> None:
    """Make `${cpu_precision:}` known to configurations."""
    OmegaConf.register_new_resolver("cpu_precision", cpu_precision, replace=True)
