"""Training on another device: everything follows, an absent one is refused."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pytest
import torch

from tests.unit.training.towers import repeat_world as repeats
from tests.unit.training.trainer import trainer_world as plain
from tests.unit.training.trainer.other_device import OtherDevice, There, move
from training.recipes import (
    Corpus,
    HardNegatives,
    Loss,
    Mixed,
    MLPReranker,
    Negatives,
    Popularity,
    RepeatTerm,
    SelfSupervised,
    Streaming,
    TrainConfig,
    Uniform,
)
from training.retrieval.model_search import served_search
from training.sampling.hard_negatives import mine
from training.trainer import train
from training.trainer.candidates import CandidateBuilder
from training.trainer.device import available
from training.trainer.self_supervised import SelfSupervision
from training.trainer.step import backpropagate

pytestmark = pytest.mark.usefixtures("one_thread")
BASE = replace(plain.CONFIG, dim=4)
HARD = HardNegatives(number=2, first=1, last=3)
CONFIGS = {
    "in-batch": BASE,
    "in parts": replace(BASE, optimisation=replace(BASE.optimisation, parts=2)),
    "uniform": replace(BASE, negatives=Negatives(sampler=Uniform(number=3))),
    "popularity": replace(BASE, negatives=Negatives(sampler=Popularity(number=3))),
    "mixed, streaming": replace(BASE, negatives=Negatives(sampler=Mixed(number=3), frequency=Streaming(size=64))),
    "corpus": replace(BASE, negatives=Negatives(sampler=Corpus()), strata=False),
    "memory, hard": replace(BASE, negatives=Negatives(memory=2, hard=HARD)),
    "known hidden, prefixes": replace(BASE, negatives=Negatives(hide_known=True), prefixes=(2,)),
    "all negative": replace(
        BASE, negatives=Negatives(all_negative=True, sampler=Corpus()), loss=Loss("bilateral_softmax")
    ),
    "bpr": replace(BASE, loss=Loss("bpr"), negatives=Negatives(sampler=Uniform(number=3))),
    "logistic": replace(BASE, loss=Loss("logistic_triplet"), negatives=Negatives(sampler=Uniform(number=3), hard=HARD)),
    "self-supervised": replace(BASE, self_supervised=SelfSupervised(items=4)),
    "reranker": replace(BASE, reranker=MLPReranker(candidates=2), negatives=Negatives(sampler=Mixed(number=3))),
    "repeats": replace(
        repeats.CONFIG,
        negatives=Negatives(sampler=Mixed(number=3)),
        optimisation=replace(BASE.optimisation, parts=2),
    ),
    "repeats, memory, hard": replace(repeats.CONFIG, negatives=Negatives(memory=1, hard=HARD)),
    "repeats, corpus": replace(repeats.CONFIG, negatives=Negatives(sampler=Corpus()), repeat=RepeatTerm()),
}


@pytest.fixture
def generator_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other device has a generator: the CPU's."""
    there = SimpleNamespace(
        get_rng_state=lambda device: torch.get_rng_state(), set_rng_state=lambda state, device: None
    )
    monkeypatch.setattr("torch.get_device_module", lambda device: there)


@pytest.mark.usefixtures("generator_there")
@pytest.mark.parametrize("config", CONFIGS.values(), ids=list(CONFIGS))
def test_a_step_makes_no_tensor_where_the_model_is_not(config: TrainConfig) -> None:
    """And it has the loss of the CPU: what is drawn does not depend on the device."""
    losses = []
    for elsewhere in (False, True):
        data = repeats.small_data() if config.repeat else plain.small_data()
        model = repeats.model_of(data.size, 5, config) if config.repeat else plain.small_model(config)
        torch.manual_seed(0)
        with OtherDevice():
            if elsewhere:
                move(model)
                assert all(isinstance(weight, There) for weight in model.parameters())
            builder = CandidateBuilder(data, config, model, seed=0)
            if config.negatives.hard:
                builder.mined_UM = mine(model, data, config.negatives.hard)
            views = SelfSupervision(data, config.self_supervised, model, 0) if config.self_supervised else None
            model.train()
            for rows in np.array_split(np.arange(len(data.query_I)), 2):
                batch = data.batch(rows, whole_corpus=config.whole_corpus).to(model.device)
                losses.append(backpropagate(model, batch, builder, config, views))
                builder.load({name: each.cpu() for name, each in builder.state().items()})
            if config.reranker or config.repeat:
                served_search(model, data.queries, data.corpus)()(np.arange(3), 2)
    assert losses[:2] == pytest.approx(losses[2:], abs=1e-6)


def test_a_device_that_is_not_there_is_refused_with_those_that_are() -> None:
    for name in ("cuda:99", "gpu", "tpu"):
        with pytest.raises(ValueError, match=rf"device '{name}' is not available here; there are cpu"):
            train(plain.small_data(), plain.small_model(), BASE, seed=0, epochs=1, device=name)
    assert available("cpu") == torch.device("cpu")
    with (
        patch("torch.accelerator.is_available", return_value=True),
        patch("torch.accelerator.current_accelerator", return_value=torch.device("cuda")),
        patch("torch.accelerator.device_count", return_value=2),
    ):
        assert available("cuda:1") == torch.device("cuda:1")
        with pytest.raises(ValueError, match="there are cpu, cuda, cuda:0, cuda:1"):
            available("cuda:2")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
@pytest.mark.parametrize("config", CONFIGS.values(), ids=list(CONFIGS))
def test_a_gpu_trains_as_the_cpu_does(config: TrainConfig) -> None:
    losses = []
    quiet = replace(config, tower=replace(plain.QUIET, history=replace(config.tower.history, dropout=0.0)))
    quiet = replace(quiet, repeat=replace(config.repeat, dropout=0.0) if config.repeat else None)
    for device in ("cpu", "cuda"):
        data = repeats.small_data() if config.repeat else plain.small_data()
        model = repeats.model_of(data.size, 5, quiet) if config.repeat else plain.small_model(quiet)
        losses.append([each["loss"] for each in train(data, model, quiet, seed=0, epochs=3, device=device)])
        assert model.device.type == "cpu"
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
