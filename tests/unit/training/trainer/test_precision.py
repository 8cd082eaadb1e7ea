"""The precision of a training follows from the recipe and the processor."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from training.recipes import Corpus, Mixed, Negatives, Optimisation, TrainConfig, base
from training.recipes.untimed import ids_only
from training.trainer import precision

CPU = torch.device("cpu")


def config(sampler: Corpus | Mixed, wanted: str) -> TrainConfig:
    return TrainConfig(negatives=Negatives(sampler=sampler), optimisation=Optimisation(precision=wanted))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("native", "sampler", "wanted", "found"),
    [
        (True, Corpus(), "auto", torch.bfloat16),
        (False, Corpus(), "auto", torch.float32),
        (True, Mixed(), "auto", torch.float32),
        (False, Mixed(), "bfloat16", torch.bfloat16),
        (True, Corpus(), "float32", torch.float32),
    ],
)
def test_auto_is_bfloat16_only_where_it_is_native_and_pays(
    native: bool, sampler: Corpus | Mixed, wanted: str, found: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: native)
    assert precision.precision_of(config(sampler, wanted), CPU) is found


@pytest.mark.parametrize(
    ("avx512", "amx", "mkldnn", "found"),
    [
        (True, False, True, True),
        (False, True, True, True),
        (False, False, True, False),  # AVX-512 without bfloat16: oneDNN emulates it
        (True, True, False, False),  # told to use no more than AVX2
    ],
)
def test_an_emulated_bfloat16_is_none(
    avx512: bool, amx: bool, mkldnn: bool, found: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: mkldnn)
    assert precision.has_bfloat16(CPU) is found


def test_no_recipe_names_a_precision() -> None:
    for recipe in (base(), ids_only(items=100, interactions=1_000, dim=8)):
        assert recipe.optimisation.precision == "auto"
        assert replace(recipe.optimisation, precision="float32") != recipe.optimisation
