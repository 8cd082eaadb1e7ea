"""Weights of the item prior, learned on the validation window beside constant towers.

On what they were trained on, towers are surer of themselves than on anything else, so
that a term learned there would get too little weight.

Legend: Q queries, N items of the corpus, D dimensions, F facts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import torch
from torch import Tensor

from feature_repo.encode import Encoder
from training.data.item_facts import item_facts
from training.evaluation.holdout import Holdout
from training.recipes import TrainConfig
from training.recipes.choice import LEAST_GAIN, Tried
from training.retrieval.exact import MakeSearch, exact_search
from training.towers import TwoTower, embed
from training.towers.item_prior import FACTS, ItemPrior
from training.trainer import SCORE
from training.validation_window import ValidationWindow

if TYPE_CHECKING:
    from scipy.sparse import csr_array

PRIOR = "item prior"
"""Name of the prior among what was tried."""
PAIRS = 20_000_000
"""Most pairs of query and item that weights are learned from; a seeded sample of the
queries."""
RIDGE = 1e-2
"""Weight of the squared weights and of the squared change of log a in the loss: facts that
say the same share it, and towers that say nothing keep a scale."""
STEPS = 60
"""Most steps of L-BFGS, for seven numbers."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibration:
    """Towers on the validation window, for a prior to be learned beside."""

    user_QD: np.ndarray
    """Embeddings of the queries."""
    item_ND: np.ndarray
    """Embeddings of the corpus."""
    facts_NF: np.ndarray
    """Facts of the corpus at the start of the window."""
    holdout: Holdout
    """What the queries took in the window."""
    scale: float
    """1 / τ of the towers, where the learning starts."""

    def weights(self, queries: np.ndarray, *, seed: int) -> np.ndarray:
        """Learn the weights of the facts: float64 [F], on the scale of the index.

        The logit is a·<u, v> + w·b, and the result w / a: the same order, with the towers'
        scores as they are.

        Args:
            queries: rows of the queries to learn from.
            seed: random seed of the sample.
        """
        most = max(1, PAIRS // len(self.item_ND))
        rows = np.sort(np.random.default_rng(seed).permutation(queries)[:most])
        relevant, hidden_QN = self._window(rows)
        score_QN = torch.from_numpy(self.user_QD[rows] @ self.item_ND.T)
        facts_NF = torch.from_numpy(self.facts_NF).float()
        row_P, item_P = (torch.from_numpy(each.astype(np.int64)) for each in relevant.nonzero())
        # Every user counts the same, as in the metrics.
        share_P = 1 / torch.bincount(row_P, minlength=len(rows))[row_P]
        start = torch.tensor(np.log(self.scale), dtype=torch.float32)
        log_a = start.clone().requires_grad_()
        weight_F = torch.zeros(FACTS, requires_grad=True)
        optimiser = torch.optim.LBFGS([log_a, weight_F], max_iter=STEPS, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            optimiser.zero_grad()
            logit_QN = log_a.exp() * score_QN + facts_NF @ weight_F
            total_Q = logit_QN.masked_fill(hidden_QN, -torch.inf).logsumexp(dim=1)
            missed = (share_P * (total_Q[row_P] - logit_QN[row_P, item_P])).sum() / len(rows)
            found = missed + RIDGE * (weight_F.square().sum() + (log_a - start).square())
            found.backward()
            return found

        optimiser.step(loss)
        learned: np.ndarray = (weight_F / log_a.exp()).detach().double().numpy()
        return learned

    def _window(self, rows: np.ndarray) -> tuple[csr_array, Tensor]:
        """Relevant items of queries, and the pairs that no answer may hold."""
        holdout = self.holdout
        relevant = holdout.relevant[rows]
        if holdout.seen_items_may_return:
            return relevant, torch.zeros(relevant.shape, dtype=torch.bool)
        view = holdout.views()["all"].relevant[rows]
        return view, torch.from_numpy(holdout.seen[rows].toarray() != 0)

    @classmethod
    def of(cls, model: TwoTower, window: ValidationWindow, facts_NF: np.ndarray) -> Calibration:
        """Calibration of a trial's towers; the coordinate of a prior is left out."""
        user_QD, item_ND = embed(model.user, window.users), embed(model.item, window.items)
        dim = -1 if model.item.prior is not None else None
        scale = model.score.scale.item()
        return cls(
            user_QD=user_QD[:, :dim], item_ND=item_ND[:, :dim], facts_NF=facts_NF, holdout=window.holdout, scale=scale
        )

    @property
    def asked_Q(self) -> np.ndarray:
        """Queries with something to find."""
        return self.holdout.views()["all"].rows_V

    def crossed_search(self, *, seed: int) -> MakeSearch:
        """Search of both halves of the queries, each by weights that the other half taught.

        So a measure of it is no measure of what the weights were learned from.
        """
        halves = [self.asked_Q[half::2] for half in (0, 1)]
        terms_N2 = np.stack([self.facts_NF @ self.weights(half, seed=seed) for half in halves], axis=1)
        other_Q2 = np.zeros((len(self.user_QD), 2), self.user_QD.dtype)
        other_Q2[:, 0] = 1
        other_Q2[halves[0]] = (0, 1)
        item_N2 = terms_N2.astype(self.item_ND.dtype)
        return exact_search(
            np.concatenate([self.user_QD, other_Q2], axis=1), np.concatenate([self.item_ND, item_N2], axis=1)
        )


def with_prior(
    config: TrainConfig,
    tried: tuple[Tried, ...],
    trial: tuple[TwoTower, ValidationWindow],
    facts_NF: np.ndarray,
    *,
    choose: bool,
    seed: int,
    clock: Callable[[], float],
) -> tuple[TrainConfig, np.ndarray | None, tuple[Tried, ...]]:
    """Learn an item prior beside a trial's towers, and take it if it gains enough.

    Args:
        config: recipe of the trial.
        tried: what was tried so far; the last that was taken is the trial.
        trial: its towers and their validation window.
        facts_NF: facts of the corpus at the start of the window.
        choose: whether the prior may be added to a recipe that is without one.
        seed: random seed.
        clock: seconds, which the learning is timed by.

    Returns:
        The recipe, the weights of its prior or None, and what was tried, with the prior.
    """
    model, window = trial
    fits = not (config.repeat or config.reranker or config.prefixes)
    calibration = Calibration.of(model, window, facts_NF) if config.prior or (choose and fits) else None
    if calibration is None or len(calibration.asked_Q) < 2:
        return config, None, tried
    start = clock()
    score = window.measured(calibration.crossed_search(seed=seed))[SCORE]
    before = next(each.score for each in reversed(tried) if each.taken)
    gain = score / max(before or 0.0, 1e-12) - 1
    taken = config.prior or gain >= LEAST_GAIN
    found = Tried(name=PRIOR, score=score, gain=gain, taken=taken, epochs=0, seconds=clock() - start)
    if not taken:
        return config, None, (*tried, found)
    weights_F = calibration.weights(calibration.asked_Q, seed=seed)
    return replace(config, prior=True), weights_F, (*tried, found)


def set_prior(
    model: TwoTower,
    encoder: Encoder,
    corpus: pl.DataFrame,
    events: pl.DataFrame,
    moment: datetime,
    *,
    weights: np.ndarray | None = None,
) -> None:
    """Compute the terms of towers' item prior as of a moment; without a prior do nothing.

    Args:
        model: towers, in evaluation mode.
        encoder: their encoder of items.
        corpus: features of the corpus.
        events: canonical events.
        moment: what became known then or later is not seen.
        weights: weights of the facts, [F]; None for those that the towers have.
    """
    prior = model.item.prior
    if not isinstance(prior, ItemPrior):
        return
    if weights is not None:
        prior.get_buffer("weight_F").copy_(torch.from_numpy(weights))
    prior.refresh(encoder.encode(corpus)[encoder.key], *item_facts(events, corpus[encoder.key], moment))
