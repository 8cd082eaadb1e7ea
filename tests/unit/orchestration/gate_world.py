"""Drawn users with the recall of two systems, judged by the real gate.

Legend: Q users, G users of a slice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from orchestration.verdict import comparison_of
from serving.gate.comparison import Comparison
from serving.gate.measured import Measured
from serving.gate.policy import CHAMPION, Policy, Rule
from serving.gate.rules import decide
from serving.gate.verdict import Verdict
from training.evaluation.bootstrap import SAMPLES, UserGroup, resampled_group_means
from training.evaluation.comparison import compare

METRIC = "all/recall@20"
CUT = datetime(2024, 1, 1)
RELEVANT = 30
"""Mean number of relevant items of a user."""
SHARED = 0.8
"""Share of the items that two trainings of one recipe find or miss alike."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Recall of a champion and of a challenger that loses a share of its hits."""

    challenger_Q: np.ndarray
    champion_Q: np.ndarray

    @classmethod
    def draw(cls, rng: np.random.Generator, users: int, loss: float) -> Pair:
        """Two trainings of one recipe with other seeds, the challenger's hits thinned by `loss`.

        Args:
            rng: source of the draws.
            users: number of users.
            loss: expected share of the hits that the challenger loses.
        """
        relevant_Q = 1 + rng.poisson(rng.gamma(1.0, RELEVANT - 1, users))
        quality_Q = rng.beta(1.0, 6.0, users)
        hits_Q = rng.binomial(relevant_Q, quality_Q)
        # An item is found alike, or drawn again for the challenger.
        kept_Q = rng.binomial(hits_Q, SHARED + (1 - SHARED) * quality_Q)
        won_Q = rng.binomial(relevant_Q - hits_Q, (1 - SHARED) * quality_Q)
        left_Q = rng.binomial(kept_Q + won_Q, 1 - loss)
        return cls(challenger_Q=left_Q / relevant_Q, champion_Q=hits_Q / relevant_Q)

    def compared(self, slices: Sequence[np.ndarray] = (), *, seed: int, samples: int = SAMPLES) -> list[Comparison]:
        """Compare over all users and over each slice, as an evaluation does.

        Args:
            slices: rows of the users of each slice.
            seed: random seed of the resamples.
            samples: number of resamples.
        """
        values_Q2 = np.stack([self.challenger_Q, self.champion_Q], axis=1)
        groups = [UserGroup(values_GM=values_Q2), *(UserGroup(values_GM=values_Q2[r], rows_G=r) for r in slices)]
        means = resampled_group_means(groups, len(values_Q2), seed=seed, samples=samples)
        return [
            comparison_of(compare(g.values_GM[:, :1], g.values_GM[:, 1:], m_S2[:, :1], m_S2[:, 1:])[0])
            for g, m_S2 in zip(groups, means, strict=True)
        ]


def policy_of(rule: Rule) -> Policy:
    """A policy with one rule."""
    return Policy(rules=(rule,), index_recall=0.0, min_holdout_users=1, parity=False)


def verdict_on(compared: Sequence[Comparison], rule: Rule) -> Verdict:
    """Judge by one rule: over all users, or over its slices where it has some.

    Args:
        compared: comparisons over all users, and over each slice of the rule.
        rule: the rule, against the champion.
    """
    names = [METRIC, *rule.names(METRIC).values()] if rule.slices else [METRIC]
    measured = Measured(
        metrics={},
        users={name.rsplit("/", 1)[0]: each.users for name, each in zip(names, compared, strict=True)},
        baselines={},
        champion=dict(zip(names, compared, strict=True)),
        index_recall=1.0,
        cut=CUT,
        champion_cut=CUT,
    )
    assert rule.against == CHAMPION
    return decide(measured, policy_of(rule))
