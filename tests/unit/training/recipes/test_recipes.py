"""A recipe that makes no sense is refused when it is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from training.recipes import (
    MLP,
    RECIPES,
    Corpus,
    Cosine,
    Cross,
    Dot,
    EstimatedBehaviour,
    Gated,
    GRUHistory,
    HardNegatives,
    Impressions,
    ImpressionTask,
    Loss,
    MeanPooling,
    Mixed,
    MLPReranker,
    MultiHeadPooling,
    Negatives,
    Optimisation,
    PolicyGradient,
    Popularity,
    RepeatTerm,
    Residual,
    Reward,
    SelfAttention,
    Streaming,
    TowerConfig,
    TrainConfig,
    Uniform,
    WeightedPooling,
    Weighting,
    base,
    recipe,
)
from training.recipes.serialization import from_json, to_flat, to_json


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        (TrainConfig, "dim", 0),
        (Weighting, "min_count", 0),
        (TrainConfig, "prefixes", (128,)),
        (Negatives, "memory", -1),
        (Optimisation, "batch_size", -1),
        (Optimisation, "epochs", 0),
        (Optimisation, "learning_rate", 0.0),
        (Optimisation, "tables", "sgd"),
        (Optimisation, "warm_up", 1.0),
        (Optimisation, "clip", 0.0),
        (Cosine, "temperature", 5.0),
        (Uniform, "number", 0),
        (Popularity, "beta", -0.5),
        (Streaming, "rate", 0.0),
        (HardNegatives, "first", 0),
        (Impressions, "number", 0),
        (Impressions, "newest", 3),
    ],
)
def test_a_senseless_value_is_named(kind: type, field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        kind(**{field: value})


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (
            {"loss": Loss("cosine_contrastive"), "negatives": Negatives(sampler=Uniform())},
            "use Cosine\\(temperature=1.0, learned=False",
        ),
        ({"loss": Loss("hinge_triplet"), "score": Dot()}, "use Cosine\\(temperature=1.0, learned=False"),
        ({"loss": Loss("pointwise")}, "learned scale and shift"),
        ({"score": Cosine(shift=True)}, "the same for every shift"),
        ({"loss": Loss("bilateral_softmax")}, "draws popular items more often"),
        ({"negatives": Negatives(all_negative=True)}, "leaves positives among their own negatives"),
        ({"repeat": RepeatTerm(), "strata": False}, "without strata the towers do not: leave strata on"),
        ({"repeat": RepeatTerm(), "reranker": MLPReranker()}, "a reranker changes these: leave one out"),
        ({"repeat": RepeatTerm(), "negatives": Negatives(hide_known=True)}, "hide_known takes .* leave one out"),
        ({"repeat": RepeatTerm(), "loss": Loss("info_nce")}, "got the loss 'info_nce': use Loss\\('softmax'\\)"),
        ({"reranker": MLPReranker(), "loss": Loss("info_nce")}, "trained by 'info_nce': use Loss\\('softmax'\\)"),
        (
            {"repeat": RepeatTerm(), "negatives": Negatives(sampler=Uniform())},
            "Uniform\\(number=1024\\) draws its sample apart",
        ),
    ],
)
def test_combinations_that_make_no_sense_are_refused_with_the_reason(changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        replace(TrainConfig(), **changed)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"memory": 2, "sampler": Uniform()}, "a memory of 2 batches"),
        ({"frequency": Streaming(), "sampler": Corpus()}, "a streaming frequency"),
        ({"frequency": Streaming(), "memory": 1}, "leave one out"),
        ({"hard": HardNegatives(), "sampler": Corpus()}, "every item is a negative already"),
        ({"hard": Impressions(), "sampler": Corpus()}, "every item is a negative already"),
    ],
)
def test_negatives_that_exclude_each_other_are_refused_with_the_reason(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Negatives(**fields)


FOR_REWARD = TrainConfig(
    policy=PolicyGradient(k=20),
    strata=False,
    negatives=Negatives(sampler=Mixed()),
    optimisation=Optimisation(patience=None),
)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"prior": True, "optimisation": Optimisation()}, "prior would learn the next click beside them"),
        ({"impressions": ImpressionTask()}, "impressions would learn the next click"),
        ({"loss": Loss("info_nce")}, "policy takes the place of the loss, .*info_nce"),
        ({"strata": True}, "set strata=False"),
        ({"weighting": Weighting(reward=Reward())}, "use PolicyGradient\\(reward='value'\\)"),
        ({"optimisation": Optimisation()}, "set optimisation.patience=None"),
        ({"negatives": Negatives()}, "InBatch\\(\\) never draws items without interactions"),
        ({"negatives": Negatives(sampler=Popularity())}, "never draws items without interactions"),
        ({"negatives": Negatives(sampler=Mixed(), hide_known=True)}, "leave negatives.hide_known out"),
        ({"negatives": Negatives(sampler=Mixed(), hard=HardNegatives())}, "leave negatives.hard out"),
    ],
)
def test_what_a_policy_gradient_excludes_is_refused_with_the_reason(changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        replace(FOR_REWARD, **changed)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"k": 0}, "PolicyGradient.k is a size"),
        ({"cap": 0.0}, "PolicyGradient.cap must be positive"),
        ({"cap": float("inf")}, "wanted a finite bound"),
        ({"reward": "clicks"}, "must be 'interactions' or 'value', got 'clicks'"),
        ({"discount": 0.0}, "discount is the weight of a day"),
        ({"discount": 0.5, "horizon_days": 60}, "lower it to at most 29, or raise discount"),
        ({"horizon_days": 0}, "PolicyGradient.horizon_days is a size"),
    ],
)
def test_a_policy_gradient_that_makes_no_sense_is_refused(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        PolicyGradient(**({"k": 1} | fields))
    with pytest.raises(ValueError, match=r"EstimatedBehaviour\.learning_rate"):
        EstimatedBehaviour(learning_rate=0.0)


def test_the_length_of_the_list_has_no_default() -> None:
    with pytest.raises(TypeError, match="k"):
        PolicyGradient()  # type: ignore[call-arg]


def test_a_loss_that_does_not_exist_and_a_parameter_it_does_not_have_are_named() -> None:
    with pytest.raises(ValueError, match="no loss 'sofmax'; there are softmax"):
        Loss("sofmax")
    with pytest.raises(ValueError, match="has no parameter margin; it has \\['exponent'\\]"):
        Loss("bilateral_softmax", {"margin": 1.0})
    with pytest.raises(ValueError, match="fewer than the 4 hard negatives"):
        HardNegatives(first=10, last=12)


@pytest.mark.parametrize("config", [
    *(recipe(name) for name in RECIPES),
    TrainConfig(
        repeat=RepeatTerm(days=7, outside=1.0, rate=0.1, width=5, embedding=2), negatives=Negatives(sampler=Mixed()),
    ),
    TrainConfig(negatives=Negatives(hard=Impressions(number=2, newest=50))),
    replace(FOR_REWARD, policy=PolicyGradient(k=3, cap=5.0, reward="value", behaviour=EstimatedBehaviour())),
    TrainConfig(reranker=MLPReranker(widths=(32, 8), candidates=50), negatives=Negatives(sampler=Uniform())),
    TrainConfig(
        loss=Loss("bilateral_softmax", {"exponent": 1.2}), negatives=Negatives(sampler=Corpus()), prefixes=(8, 16),
    ),
    TrainConfig(
        score=Dot(),
        negatives=Negatives(frequency=Streaming(rate=0.1), hard=HardNegatives(number=2), sampler=Mixed(number=9)),
    ),
])  # fmt: skip
def test_a_recipe_survives_as_text(config: TrainConfig) -> None:
    assert from_json(to_json(config)) == config
    assert to_flat(config)["optimisation.batch_size"] == config.optimisation.batch_size
    assert to_flat(config)["loss.name"] == config.loss.name


def test_a_recipe_of_a_newer_version_is_refused() -> None:
    with pytest.raises(ValueError, match="holds a 'Quantum'"):
        from_json(to_json(base()).replace('"Mixed"', '"Quantum"'))


@pytest.mark.parametrize(
    "part",
    [MLP, Residual, Gated, WeightedPooling, MeanPooling, MultiHeadPooling, GRUHistory, SelfAttention, RepeatTerm],
)
@pytest.mark.parametrize("share", [1.0, -0.1])
def test_a_share_of_one_would_leave_nothing(part: Callable[..., Any], share: float) -> None:
    with pytest.raises(ValueError, match=rf"dropout is a share in \[0, 1\), got {share}"):
        part(dropout=share)
    with pytest.raises(ValueError, match="id_dropout is a share"):
        TowerConfig(id_dropout=share)
    with pytest.raises(ValueError, match="block_dropout is a share"):
        SelfAttention(block_dropout=share)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MLP(hidden=(64, 0)), r"MLP\.hidden .* whole number from 1, got 0"),
        (lambda: Residual(blocks=0), r"Residual\.blocks .* got 0"),
        (lambda: Residual(width=1.5), r"Residual\.width .* got 1\.5"),  # type: ignore[arg-type]
        (lambda: Cross(layers=0), r"Cross\.layers .* got 0"),
        (lambda: Cross(rank=0), r"Cross\.rank .* got 0"),
        (lambda: RepeatTerm(days=0), r"RepeatTerm\.days .* whole number from 1, got 0"),
        (lambda: RepeatTerm(days=1.5), r"RepeatTerm\.days .* got 1\.5"),  # type: ignore[arg-type]
        (lambda: RepeatTerm(outside=0.0), r"RepeatTerm\.outside must be positive, got 0\.0"),
        (lambda: RepeatTerm(rate=-0.1), r"RepeatTerm\.rate must be positive, got -0\.1"),
        (lambda: RepeatTerm(width=0), r"RepeatTerm\.width .* got 0"),
        (lambda: RepeatTerm(embedding=0), r"RepeatTerm\.embedding .* got 0"),
        (lambda: MLPReranker(widths=()), "names no layer"),
        (lambda: MLPReranker(widths=(8, 0)), r"MLPReranker\.widths .* got 0"),
        (lambda: MLPReranker(candidates=0), r"MLPReranker\.candidates .* got 0"),
        (lambda: MLPReranker(candidates=10_000), "10,000, more than the 8,192 that fit"),
        (lambda: MLPReranker(learning_rate=0.0), "must be positive, got 0.0"),
        (lambda: GRUHistory(width=0), r"GRUHistory\.width .* got 0"),
        (lambda: MultiHeadPooling(heads=0), r"MultiHeadPooling\.heads .* got 0"),
        (lambda: TowerConfig(embedding_dim=0), r"TowerConfig\.embedding_dim .* got 0"),
        (lambda: TowerConfig(shared_middle=0), r"TowerConfig\.shared_middle .* got 0"),
        (lambda: MLP(norm="group"), r"MLP\.norm must be .* \('batch', 'layer'\), got 'group'"),  # type: ignore[arg-type]
        (lambda: Gated(hidden=()), "nothing is gated"),
        (lambda: SelfAttention(width=64, heads=3), "must divide the width.*got 3 heads and a width of 64"),
        (lambda: Cross(structure="beside"), "'stacked' or 'parallel', got 'beside'"),  # type: ignore[arg-type]
        (lambda: Cross(structure="parallel", deep=MLP(hidden=())), "needs a hidden layer to stand beside"),
        (lambda: Cross(deep=Gated()), r"Cross\.deep must be an MLP, got Gated"),  # type: ignore[arg-type]
        (lambda: TowerConfig(user="mlp"), "must be one of MLP, .*, None, got 'mlp'"),  # type: ignore[arg-type]
        (lambda: TowerConfig(history=MLP()), "history must be one of WeightedPooling"),  # type: ignore[arg-type]
        (lambda: TowerConfig(item=MLP(hidden=()), shared_middle=8), "the item body has no hidden layer"),
        (lambda: TowerConfig(user=Cross(deep=MLP(hidden=())), shared_middle=8), "the user body has no hidden layer"),
    ],
)
def test_parts_that_do_not_fit_are_refused_with_what_was_got_and_wanted(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_recipes_are_frozen_and_found_by_name() -> None:
    for name in RECIPES:
        with pytest.raises(FrozenInstanceError):
            recipe(name).dim = 1  # type: ignore[misc]
    with pytest.raises(ValueError, match="there are base"):
        recipe("nonsense")


def test_a_large_log_has_large_batches_and_no_trial_unless_impressions_may_take_most_of_it() -> None:
    small, large = recipe("base", interactions=1_000).optimisation, recipe("base", interactions=10_000_000).optimisation
    assert small == recipe("base").optimisation
    assert large.batch_size > small.batch_size
    assert large.learning_rate > small.learning_rate
    assert (small.patience is None, large.patience is None) == (False, True)
    assert recipe("clicks", interactions=10_000_000).optimisation == small
