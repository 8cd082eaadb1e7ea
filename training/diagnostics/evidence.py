"""Evidence of a bias in a log: what was compared, and what came of it.

Legend: S answers, L items of an answer, F features, P impressions, K codes of the
surrounding (positions).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from training.data.interventions import Examination, components, find_swaps, harvest_examination, informative
from training.data.randomised import Randomised
from training.data.shown import Shown, count_shown
from training.data.slates import NO_ITEM, Slates
from training.diagnostics.effect import effect_test
from training.diagnostics.features import Impressions, conditional_effect, overlap
from training.diagnostics.logging_policy import dependence
from training.diagnostics.thresholds import Thresholds

IMPRESSIONS = 200_000
"""Impressions at most from which an effect is estimated through features."""


class Basis(StrEnum):
    """Source of the difference between relevance and position."""

    RANDOMISED = "answers in random order"
    SWAPS = "swaps"
    FEATURES = "features"


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """Evidence of a log on the bias of one surrounding."""

    name: str
    """The surrounding, such as `position`."""
    code_K: np.ndarray
    """Codes that are compared."""
    answers: int
    users: int
    impressions: int
    """Impressions at these codes."""
    unknown: int
    """Impressions whose code is unknown."""
    rare: int
    """Impressions at codes that have too few of them."""
    swaps_KK: np.ndarray
    """Units that were shown at both codes."""
    groups: tuple[tuple[int, ...], ...]
    """Codes that the log connects; a single group where it identifies the bias."""
    overlap_KK: np.ndarray | None = None
    """Overlap of the features at both codes; None where swaps suffice, or without features."""
    basis: Basis | None = None
    """What the estimate rests on; None without one."""
    examination: Examination | None = None
    """Examination relative to the first code."""
    half_width: float | None = None
    """Widest half of its 95 % intervals."""
    p_value: float | None = None
    """Probability of as large differences between codes by chance."""
    correlation: float | None = None
    """Correlation of position and relevance; below 0, relevant items come first."""
    randomised: int | None = None
    """Answers of the log with items in random order; None if it does not tell them."""

    @property
    def effect(self) -> float | None:
        """Largest difference of the examination from that of the first code."""
        return None if self.examination is None else float(np.abs(self.examination.relative_K - 1).max())

    @property
    def numbers(self) -> dict[str, float]:
        """Numbers for a report, by name; those that are not known are left out."""
        counts = ("answers", "users", "impressions", "unknown", "rare", "randomised")
        names = (*counts, "effect", "half_width", "p_value", "correlation")
        found = {"groups": len(self.groups)} | {name: getattr(self, name) for name in names}
        return {name: float(value) for name, value in found.items() if value is not None and np.isfinite(value)}


def gather(
    slates: Slates,
    *,
    name: str,
    user_S: np.ndarray,
    unit_SL: np.ndarray | None,
    within: Sequence[str],
    feature_SLF: np.ndarray | None,
    limits: Thresholds,
    seed: int,
) -> Evidence:
    """Compare positions through swaps, or through features where swaps do not connect them.

    Args:
        slates: the log.
        name: the surrounding.
        user_S: user of each answer.
        unit_SL: things of one relevance; None for pairs of user and item.
        within: other surroundings, which must be alike in what is compared.
        feature_SLF: features that tell relevance; None without.
        limits: thresholds.
        seed: random seed.

    Raises:
        ValueError: features that are read are not finite.
    """
    shown = count_shown(
        slates, name=name, user_S=user_S, unit_SL=unit_SL, within=within, rarest=limits.least_impressions, seed=seed
    )  # fmt: skip
    enough_KK, found = _compared(shown, slates, user_S, limits)
    if len(shown.code_K) < 2:
        return found
    if len(found.groups) == 1:
        return _through_swaps(found, shown, limits, seed)
    if feature_SLF is None:
        return found
    seen = _impressions(slates, shown, feature_SLF, user_S, seed)
    overlap_KK = overlap(seen, seed=seed)
    groups = _groups(shown.code_K, enough_KK | (overlap_KK >= limits.least_overlap))
    found = replace(found, overlap_KK=overlap_KK, groups=groups)
    return found if len(groups) > 1 else _through_features(found, seen, limits, seed)


def gather_randomised(
    drawn: Randomised,
    slates: Slates,
    *,
    name: str,
    user_S: np.ndarray,
    within: Sequence[str],
    limits: Thresholds,
    seed: int,
) -> Evidence:
    """Compare positions within the randomised answers alone.

    Whether the order depends on relevance is asked of the whole log, which a model learns from.

    Args:
        drawn: the randomised answers.
        slates: the log.
        name: the surrounding.
        user_S: user of each answer.
        within: other surroundings, which must be alike in what is compared.
        limits: thresholds.
        seed: random seed.
    """
    shown = drawn.count(name=name, within=within, rarest=limits.least_impressions, seed=seed)
    _, found = _compared(shown, drawn.slates, drawn.user_S, limits)
    found = replace(found, randomised=len(drawn.slates))
    if len(shown.code_K) < 2 or len(found.groups) > 1:
        return found
    found = replace(_through_swaps(found, shown, limits, seed), basis=Basis.RANDOMISED)
    assert found.examination is not None
    known_SL = np.isin(slates.of(name), found.code_K)
    whole = replace(slates, item_SL=np.where(known_SL, slates.item_SL, NO_ITEM))
    everywhere = count_shown(whole, name=name, user_S=user_S, seed=seed)
    return replace(found, correlation=dependence(everywhere, found.examination.relative_K).correlation)


def _compared(shown: Shown, slates: Slates, user_S: np.ndarray, limits: Thresholds) -> tuple[np.ndarray, Evidence]:
    """Pairs of codes that enough units compare, and the counts of a log.

    Args:
        shown: impressions by unit and code.
        slates: the log.
        user_S: user of each answer.
        limits: thresholds.
    """
    swaps = find_swaps(shown)
    enough_KK = (swaps.units_KK >= limits.least_swaps) & informative(swaps.rate_GKK.sum(axis=0))
    impressions = int(shown.impressions_E.sum())
    return enough_KK, Evidence(
        name=shown.name,
        code_K=shown.code_K,
        answers=len(slates),
        users=len(np.unique(user_S)),
        impressions=impressions,
        unknown=shown.unknown,
        rare=int(slates.shown_SL.sum()) - shown.unknown - impressions,
        swaps_KK=swaps.units_KK,
        groups=_groups(shown.code_K, enough_KK),
    )


def _through_swaps(found: Evidence, shown: Shown, limits: Thresholds, seed: int) -> Evidence:
    examination = harvest_examination(shown, seed=seed, resamples=limits.resamples)
    test = effect_test(shown)
    with np.errstate(divide="ignore"):
        # Rule of three: no click where n were expected leaves 3 / n possible, though resamples of it do not vary.
        unseen_K = np.where(test.expected_K > 0, 3 / test.expected_K, np.inf)
    return replace(
        found,
        basis=Basis.SWAPS,
        examination=examination,
        half_width=float(np.maximum(_half_K(examination), unseen_K).max()),
        p_value=test.p_value,
        correlation=dependence(shown, examination.relative_K).correlation,
    )


def _through_features(found: Evidence, seen: Impressions, limits: Thresholds, seed: int) -> Evidence:
    effect = conditional_effect(seen, seed=seed, resamples=limits.resamples)
    return replace(
        found,
        basis=Basis.FEATURES,
        examination=effect.examination,
        half_width=float(_half_K(effect.examination).max()),
        p_value=effect.p_value,
        correlation=effect.correlation,
    )


def _half_K(examination: Examination) -> np.ndarray:
    """Half of each interval of the examination."""
    half_K: np.ndarray = np.diff(examination.interval_K2(), axis=1)[:, 0] / 2
    return half_K


def _groups(code_K: np.ndarray, edge_KK: np.ndarray) -> tuple[tuple[int, ...], ...]:
    """Codes that are connected, in groups."""
    return tuple(tuple(code_K[part].tolist()) for part in components(edge_KK)) if len(code_K) else ()


def _impressions(slates: Slates, shown: Shown, feature_SLF: np.ndarray, user_S: np.ndarray, seed: int) -> Impressions:
    """Impressions at the compared codes, of a random part of the answers where they are many."""
    answers = max(1, IMPRESSIONS // slates.item_SL.shape[1])
    rows = np.random.default_rng(seed).permutation(len(slates))[:answers]
    code_SL = slates.of(shown.name)[rows]
    kept_SL = slates.shown_SL[rows] & np.isin(code_SL, shown.code_K)
    feature_PF = feature_SLF[rows][kept_SL]
    if wrong := int((~np.isfinite(feature_PF)).any(axis=1).sum()):
        raise ValueError(
            f"features of {wrong:,} of {len(feature_PF):,} impressions are not finite: fill them, or leave these "
            "impressions out"
        )
    return Impressions(
        feature_PF=feature_PF,
        place_P=np.searchsorted(shown.code_K, code_SL[kept_SL]),
        click_P=slates.click_SL[rows][kept_SL].astype(float),
        user_P=np.broadcast_to(user_S[rows][:, None], code_SL.shape)[kept_SL],
        code_K=shown.code_K,
    )
