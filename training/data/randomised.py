"""Answers whose order was drawn at random, as the log says: comparisons that need nothing else.

Items of a group, of which each order was as likely as any other, have the same mean
relevance at each of its positions. So the positions of one answer are compared, and no
item needs to be shown twice.

Legend: S answers, L items of an answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from training.data.interventions import Examination, harvest_examination
from training.data.shown import BLOCKS, Shown, count_shown
from training.data.slates import NO_GROUP, NO_ITEM, Slates
from training.recipes.bias_models import POSITION


@dataclass(frozen=True, kw_only=True, eq=False)
class Randomised:
    """Randomised answers of a log, with the items that chance has placed alone."""

    slates: Slates
    """Answers with a group; items without one are left out."""
    user_S: np.ndarray
    """User of each of them."""

    def count(self, *, name: str = POSITION, within: Sequence[str] = (), rarest: int = 1, seed: int = 0) -> Shown:
        """Count impressions by group of an answer and code of a surrounding.

        Args:
            name: the surrounding.
            within: other surroundings, which must be alike in what is compared.
            rarest: impressions of a code below which it is left out.
            seed: random seed of the blocks of users.
        """
        group_SL = self.slates.group_SL
        assert group_SL is not None
        unit_SL = np.arange(len(group_SL))[:, None] * (group_SL.max(initial=0) + 1) + group_SL
        return count_shown(
            self.slates, name=name, user_S=self.user_S, unit_SL=unit_SL, within=within, rarest=rarest, blocks=BLOCKS,
            seed=seed,
        )  # fmt: skip


def randomised(slates: Slates, user_S: np.ndarray) -> Randomised | None:
    """Randomised answers of a log; None if it tells of none.

    Args:
        slates: the log.
        user_S: user of each answer.
    """
    if slates.group_SL is None:
        return None
    rows = np.flatnonzero((slates.group_SL != NO_GROUP).any(axis=1))
    if not len(rows):
        return None
    found = slates.take(rows)
    item_SL = np.where(slates.group_SL[rows] != NO_GROUP, found.item_SL, NO_ITEM)
    return Randomised(slates=replace(found, item_SL=item_SL), user_S=user_S[rows])


def randomised_alone(slates: Slates, user_S: np.ndarray) -> Randomised:
    """Randomised answers of a log.

    Args:
        slates: the log.
        user_S: user of each answer.

    Raises:
        ValueError: no answer was randomised.
    """
    found = randomised(slates, user_S)
    if found is None:
        raise ValueError(
            f"examination from randomised answers needs some, and the log tells of none among {len(slates):,} answers: "
            "randomise a share and return `randomised` with the impressions, or estimate it from harvested swaps"
        )
    return found


def randomised_examination(
    slates: Slates, user_S: np.ndarray, *, seed: int, name: str = POSITION, rarest: int = 1, resamples: int = 200
) -> Examination:
    """Examination from the randomised answers of a log, whatever its ranker does.

    Args:
        slates: the log.
        user_S: user of each answer.
        seed: random seed of the resamples.
        name: the surrounding.
        rarest: impressions of a position below which it has no estimate.
        resamples: resamples of blocks of users.

    Raises:
        ValueError: no answer was randomised, or too few, or they do not connect the positions.
    """
    found = randomised_alone(slates, user_S)
    return harvest_examination(found.count(name=name, rarest=rarest, seed=seed), seed=seed, resamples=resamples)
