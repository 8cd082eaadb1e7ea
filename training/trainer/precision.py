"""Precision of a training's matrix products."""

from __future__ import annotations

import torch

from training.recipes.config import TrainConfig


def precision_of(config: TrainConfig, device: torch.device) -> torch.dtype:
    """Resolve the recipe's precision on a device.

    `auto` is bfloat16 where the device computes it natively and every item of the corpus
    passes in every step, and float32 elsewhere. Without native bfloat16 its products are
    emulated, tens of times slower than float32; and where shapes change from batch to
    batch, casts and new kernels cost more than the products gain.
    """
    if config.optimisation.precision == "auto":
        return torch.bfloat16 if config.whole_corpus and has_bfloat16(device) else torch.float32
    return torch.bfloat16 if config.optimisation.precision == "bfloat16" else torch.float32


def has_bfloat16(device: torch.device) -> bool:
    """Tell whether a device computes products of bfloat16 natively."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    # oneDNN knows what it may use, but emulates bfloat16 from AVX-512 on: the instructions tell.
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return native and torch.ops.mkldnn._is_mkldnn_bf16_supported()
