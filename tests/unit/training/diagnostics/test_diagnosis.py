"""Each outcome in a world where it is right, and where a naive check is wrong."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from tests.benchmarks.bias.clicks import AdditiveLogits, Cascade, ClickModel, PositionBased, TwoTypes
from tests.benchmarks.bias.loggers import (
    ByIrrelevant,
    ByItem,
    ByRelevance,
    Logger,
    Mixture,
    NeighbourSwap,
    Random,
    Scene,
)
from tests.benchmarks.bias.simulators import Log, planted, simulate
from training.data.slates import NO_GROUP, UNKNOWN, Slates
from training.diagnostics import Basis, Outcome, Thresholds, diagnose

LENGTH = 6
NO_BIAS = PositionBased(examination=(1.0,) * LENGTH)
BIASED = PositionBased(examination=tuple((1 / np.arange(1, LENGTH + 1)).tolist()))
ADDITIVE = AdditiveLogits(bias=tuple((-np.log(np.arange(1, LENGTH + 1))).tolist()))
FLAT = AdditiveLogits(bias=(0.0,) * LENGTH)
WORLD = planted(users=200, items=24, seed=0)


@dataclass(frozen=True, kw_only=True)
class PairsByCoin:
    """By relevance, but each pair of neighbours from some position on is in random order."""

    first: int = 0

    def ranks(self, scene: Scene, rng: np.random.Generator) -> np.ndarray:
        rank_SL = ByRelevance().ranks(scene, rng)
        pair_SL = (rank_SL - self.first) // 2
        alone_SL = (rank_SL < self.first) | (2 * pair_SL + self.first + 1 >= LENGTH)
        swap_SX = rng.random((len(rank_SL), LENGTH)) < 0.5
        swap_SL = np.take_along_axis(swap_SX, np.maximum(pair_SL, 0), axis=1) & ~alone_SL
        return np.where(swap_SL, rank_SL + 1 - 2 * ((rank_SL - self.first) % 2), rank_SL)

    def probability(self, scene: Scene, rank_SL: np.ndarray) -> None:
        return None


def joined(one: Slates, other: Slates) -> Slates:
    names = ("query_S", "item_SL", "context_SLC", "click_SL")
    given = {name: np.concatenate([getattr(one, name), getattr(other, name)]) for name in names}
    return replace(one, propensity_SL=None, **given)


def drawn(logger: Logger, clicks: ClickModel, *, answers: int = 8_000, seed: int = 1, **options) -> Log:
    return simulate(WORLD, logger, clicks, answers=answers, length=LENGTH, seed=seed, **options)


@pytest.mark.parametrize(
    "clicks", [BIASED, ADDITIVE, Cascade(), TwoTypes(patient=0.5)], ids=lambda each: type(each).__name__
)
@pytest.mark.parametrize("logger", [Random(), ByRelevance()], ids=lambda each: type(each).__name__)
def test_a_bias_that_swaps_show_is_worth_a_model(logger: Logger, clicks: ClickModel) -> None:
    found = diagnose(drawn(logger, clicks).slates, seed=0)
    assert found.outcome is Outcome.ADVISED and found.evidence.basis is Basis.SWAPS
    assert found.evidence.effect > 0.4 and found.evidence.half_width < 0.15


@pytest.mark.parametrize("logger", [Random(), ByRelevance(), ByItem()], ids=lambda each: type(each).__name__)
def test_without_a_bias_no_model_is_needed_whatever_the_order(logger: Logger) -> None:
    """Under a ranker by relevance the first position has three times the clicks of the last."""
    log = drawn(logger, NO_BIAS)
    found = diagnose(log.slates, seed=0)
    assert found.outcome is Outcome.NOT_NEEDED, found.reasons
    if isinstance(logger, ByRelevance):
        rate_L = log.slates.click_SL.mean(axis=0)
        assert rate_L[0] > 3 * rate_L[-1]
        assert found.evidence.correlation < -0.5 and "the order depends on relevance" in found.reasons[-1]


def test_items_as_units_mistake_a_personal_order_for_a_bias() -> None:
    """The naive check: the same item is clicked less where it stands lower."""
    slates = drawn(ByRelevance(), NO_BIAS).slates
    assert diagnose(slates, seed=0, unit_SL=slates.item_SL).outcome is Outcome.ADVISED
    assert diagnose(slates, seed=0).outcome is Outcome.NOT_NEEDED


def test_items_will_do_as_units_in_random_order() -> None:
    """Users who never see an item twice have no swaps of their own."""
    world = planted(users=4_000, items=40, seed=0)
    slates = simulate(world, Random(), BIASED, answers=4_000, length=LENGTH, seed=1).slates
    slates = replace(slates, query_S=np.arange(4_000))
    assert diagnose(slates, seed=0).outcome is Outcome.NOT_IDENTIFIABLE
    found = diagnose(slates, seed=0, unit_SL=slates.item_SL)
    assert found.outcome is Outcome.ADVISED and found.evidence.effect == pytest.approx(5 / 6, abs=0.1)


@pytest.mark.parametrize(("clicks", "outcome"), [(BIASED, Outcome.ADVISED), (NO_BIAS, Outcome.NOT_NEEDED)])
def test_randomised_answers_need_no_item_twice(clicks: ClickModel, outcome: Outcome) -> None:
    """Each pair of neighbours is in random order, below a ranker that knows the user.

    Positions of different pairs hold different relevance, and items as units take it for a bias.
    """
    slates = drawn(PairsByCoin(), clicks, answers=20_000).slates
    slates = replace(slates, query_S=np.arange(20_000))
    halves = np.array_split(np.arange(20_000), 2)
    other = drawn(PairsByCoin(first=1), clicks, answers=20_000, seed=2).slates.take(halves[1])
    both = joined(slates.take(halves[0]), replace(other, query_S=halves[1]))
    group_L, shifted_L = np.array([1, 1, 2, 2, 3, 3]), np.array([NO_GROUP, 1, 1, 2, 2, NO_GROUP])
    group_SL = np.concatenate([np.tile(each_L, (10_000, 1)) for each_L in (group_L, shifted_L)])
    told = replace(both, group_SL=group_SL)
    assert diagnose(both, seed=0).outcome is Outcome.NOT_IDENTIFIABLE
    found = diagnose(told, seed=0)
    assert found.outcome is outcome
    assert (found.evidence.basis, found.evidence.numbers["randomised"]) == (Basis.RANDOMISED, 20_000)
    assert any("20,000 answers in random order" in reason for reason in found.reasons)
    assert diagnose(both, seed=0, unit_SL=both.item_SL).outcome is Outcome.ADVISED


def test_too_few_randomised_answers_leave_the_question_to_the_whole_log() -> None:
    slates = drawn(Random(), BIASED).slates
    group_SL = np.zeros(slates.item_SL.shape, np.int64)
    group_SL[:50] = 1
    plain, told = diagnose(slates, seed=0), diagnose(replace(slates, group_SL=group_SL), seed=0)
    assert told.evidence.basis is Basis.SWAPS
    assert told.evidence.numbers == plain.evidence.numbers | {"randomised": 50}
    assert "50 answers in random order are too few" in told.reasons[-1]


def test_a_small_random_share_shows_the_bias_and_the_ranker_by_relevance() -> None:
    """The examination is of the randomised answers, the dependence of all."""
    mixed = drawn(ByRelevance(), BIASED, answers=8_000, fixed=True).slates
    some = drawn(Random(), BIASED, answers=8_000, fixed=True, seed=2).slates.take(np.arange(2_000))
    both = joined(mixed, some)
    group_SL = np.repeat([NO_GROUP, 1], [8_000, 2_000])[:, None] * np.ones((1, LENGTH), np.int64)
    found = diagnose(replace(both, group_SL=group_SL), seed=0)
    assert (found.outcome, found.evidence.basis) == (Outcome.ADVISED, Basis.RANDOMISED)
    assert found.evidence.answers == 2_000
    assert found.evidence.correlation is not None and found.evidence.correlation < -0.3


def test_the_effect_of_a_device_does_not_pass_for_one_of_the_position() -> None:
    """Phones are clicked less, and show their items further down."""
    rng = np.random.default_rng(0)
    slates = drawn(Random(), NO_BIAS, answers=16_000).slates
    position_SL = slates.of("position")
    phone_SL = rng.random(position_SL.shape) < position_SL / (LENGTH + 1)
    click_SL = np.where(phone_SL & (rng.random(phone_SL.shape) < 0.7), 0, slates.click_SL).astype(np.float32)
    context_SLC = np.stack([position_SL, 1 + phone_SL], axis=2)
    log = replace(
        slates, context_SLC=context_SLC, names=("position", "device"), sizes=(LENGTH + 1, 3), click_SL=click_SL
    )
    assert diagnose(log, seed=0).outcome is Outcome.ADVISED
    assert diagnose(log, seed=0, within=("device",)).outcome is Outcome.NOT_NEEDED
    found = diagnose(log, seed=0, name="device", within=("position",))
    assert found.outcome is Outcome.ADVISED and found.evidence.effect == pytest.approx(0.7, abs=0.1)
    told = replace(log, group_SL=np.ones(position_SL.shape, np.int64))
    alike = diagnose(told, seed=0, within=("device",))
    assert (alike.outcome, alike.evidence.basis) == (Outcome.NOT_NEEDED, Basis.RANDOMISED)


def test_a_fixed_ranker_by_relevance_is_not_identifiable() -> None:
    """Nor through features, though they overlap: the order depends on relevance."""
    log = drawn(ByRelevance(), BIASED, fixed=True)
    found = diagnose(log.slates, seed=0)
    assert found.outcome is Outcome.NOT_IDENTIFIABLE
    assert "cannot be told apart: 1; 2; 3; 4; 5; 6; randomise" in found.reasons[0]
    through = diagnose(log.slates, seed=0, feature_SLF=log.product_SLF)
    assert through.outcome is Outcome.NOT_IDENTIFIABLE and through.evidence.basis is Basis.FEATURES
    assert "what a model of relevance misses would pass for a bias" in through.reasons[0]


@pytest.mark.parametrize(("clicks", "outcome"), [(ADDITIVE, Outcome.ADVISED), (FLAT, Outcome.NOT_NEEDED)])
def test_features_identify_a_fixed_order_that_does_not_depend_on_relevance(
    clicks: ClickModel, outcome: Outcome
) -> None:
    """No thing was shown at two positions; a check of swaps alone gives up."""
    log = drawn(ByIrrelevant(), clicks, fixed=True)
    assert diagnose(log.slates, seed=0).outcome is Outcome.NOT_IDENTIFIABLE
    found = diagnose(log.slates, seed=0, feature_SLF=log.product_SLF)
    assert found.outcome is outcome and found.evidence.basis is Basis.FEATURES
    assert (found.evidence.swaps_KK[~np.eye(LENGTH, dtype=bool)] == 0).all()


def test_features_that_do_not_overlap_identify_nothing() -> None:
    """One kind of items at the first half of the positions, another at the second."""
    log = drawn(ByIrrelevant(), ADDITIVE, fixed=True)
    kind_SL1 = np.broadcast_to(np.arange(LENGTH) >= LENGTH // 2, log.slates.item_SL.shape)[:, :, None]
    feature_SLF = np.concatenate([log.product_SLF[:, :, :-1], kind_SL1], axis=2)
    found = diagnose(log.slates, seed=0, feature_SLF=feature_SLF)
    assert found.outcome is Outcome.NOT_IDENTIFIABLE
    assert found.evidence.groups == ((1, 2, 3), (4, 5, 6))
    assert "nor do their features overlap" in found.reasons[0]


def test_features_that_are_not_finite_are_refused() -> None:
    log = drawn(ByIrrelevant(), ADDITIVE, answers=500, fixed=True)
    feature_SLF = log.product_SLF
    feature_SLF[2, 1, 0] = np.nan
    with pytest.raises(ValueError, match="features of 1 of 3,000 impressions are not finite"):
        diagnose(log.slates, seed=0, feature_SLF=feature_SLF)


def test_connected_positions_suffice_though_most_pairs_have_no_swap() -> None:
    """Neighbours alone are swapped: 5 of 15 pairs."""
    log = drawn(NeighbourSwap(base=ByRelevance(), share=1.0), BIASED, answers=20_000, fixed=True)
    found = diagnose(log.slates, seed=0)
    assert found.outcome is Outcome.ADVISED, found.reasons
    apart_KK = np.abs(np.subtract.outer(np.arange(LENGTH), np.arange(LENGTH))) > 2
    assert (found.evidence.swaps_KK[apart_KK] == 0).all()


def test_too_few_swaps_are_no_sign_that_there_is_no_bias() -> None:
    """Significant or not: what is not known well enough is not identifiable."""
    logger = Mixture(loggers=(ByRelevance(), Random()), shares=(0.97, 0.03))
    found = diagnose(drawn(logger, BIASED, answers=4_000, fixed=True).slates, seed=0)
    assert found.outcome is Outcome.NOT_IDENTIFIABLE
    assert "swaps tell too little" in found.reasons[0] and found.evidence.half_width > 0.2


def test_a_position_that_is_never_clicked_is_not_known_for_sure() -> None:
    """It was shown a few times. Resamples of no clicks do not vary."""
    slates = drawn(Random(), PositionBased(examination=(1.0, 1.0, 1.0, 1.0, 1.0, 0.0))).slates
    code_SLC = slates.context_SLC.copy()
    code_SLC[120:, -1] = UNKNOWN
    found = diagnose(replace(slates, context_SLC=code_SLC), seed=0, thresholds=Thresholds(precision=0.05))
    assert np.diff(found.evidence.examination.interval_K2()).max() / 2 < 0.05 < found.evidence.half_width
    assert found.outcome is Outcome.NOT_IDENTIFIABLE


def without_variety(slates: Slates) -> Slates:
    return replace(slates, context_SLC=np.minimum(slates.context_SLC, 1))


def test_too_few_impressions_of_each_position_tell_nothing() -> None:
    slates = drawn(Random(), BIASED, answers=99).slates
    assert diagnose(slates, seed=0).outcome is Outcome.NOT_IDENTIFIABLE
    unknown = replace(slates, context_SLC=np.zeros_like(slates.context_SLC))
    assert diagnose(unknown, seed=0).outcome is Outcome.NOT_IDENTIFIABLE


def test_a_single_position_needs_no_model() -> None:
    slates = drawn(Random(), BIASED, answers=500).slates
    found = diagnose(without_variety(slates), seed=0)
    assert found.outcome is Outcome.NOT_NEEDED and "positions with 100 impressions or more: 1" in found.reasons[0]


def test_what_is_left_out_is_counted() -> None:
    slates = drawn(Random(), BIASED, answers=2_000).slates
    code_SLC = slates.context_SLC.copy()
    code_SLC[:300, 0] = UNKNOWN
    code_SLC[50:, -1] = UNKNOWN
    found = diagnose(replace(slates, context_SLC=code_SLC), seed=0)
    assert found.evidence.unknown == 300 + 1950 and found.evidence.rare == 50
    assert found.evidence.code_K.tolist() == [1, 2, 3, 4, 5]
    assert found.reasons[-1] == "left out: 2,250 impressions without a position, 50 at a rare one"


def test_a_handful_of_users_is_too_few() -> None:
    world = planted(users=10, items=12, seed=0)
    slates = simulate(world, Random(), BIASED, answers=4_000, length=LENGTH, seed=1).slates
    found = diagnose(slates, seed=0)
    assert found.outcome is Outcome.NOT_IDENTIFIABLE and "10 users are too few" in found.reasons[0]


LOOSE = Thresholds(precision=10.0, least_effect=0.0, resamples=20)
"""With these the test alone decides."""


@pytest.mark.parametrize("logger", [Random(), ByRelevance()], ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("mood", [0.0, 2.0])
def test_of_logs_without_a_bias_few_are_advised(logger: Logger, mood: float) -> None:
    """The nominal share is 1 %; with it, more than 5 of 100 have a probability of 0.1 %."""
    outcomes = [outcome_of(seed, logger, AdditiveLogits(bias=(0.0,) * 5, mood=mood), LOOSE) for seed in range(100)]
    assert outcomes.count(Outcome.ADVISED) <= 5
    assert outcomes.count(Outcome.NOT_NEEDED) >= 95


def test_of_logs_with_a_strong_bias_nearly_all_are_advised() -> None:
    clicks = PositionBased(examination=(1.0, 0.7, 0.5, 0.4, 0.3))
    outcomes = [outcome_of(seed, ByRelevance(noise=1.0), clicks, Thresholds(resamples=20), 4_000) for seed in range(30)]
    assert outcomes.count(Outcome.ADVISED) >= 29


def outcome_of(seed: int, logger: Logger, clicks: ClickModel, thresholds: Thresholds, answers: int = 1_000) -> Outcome:
    world = planted(users=100, items=12, seed=seed)
    slates = simulate(world, logger, clicks, answers=answers, length=5, seed=seed).slates
    return diagnose(slates, seed=seed, thresholds=thresholds).outcome
