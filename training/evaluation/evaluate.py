"""Evaluation of searches on a hold-out: metrics by view and slice, and curves.

Legend: Q queries, N corpus items.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from training.evaluation.holdout import Holdout
from training.evaluation.protocol import LIST_LENGTH, Protocol
from training.evaluation.result import Evaluation, with_intervals
from training.evaluation.slices import FieldSlices
from training.retrieval.exact import MakeSearch

KS = (10, 20, 100)
"""List lengths of the metrics."""
WHOLE = "all items"
"""Name of the corpus without restriction."""


def evaluate(
    search: MakeSearch,
    holdout: Holdout,
    *,
    ks: Sequence[int] = KS,
    seed: int,
    corpus: np.ndarray | None = None,
) -> Evaluation:
    """Evaluate one search on one corpus.

    Args:
        search: search over rows of the hold-out.
        holdout: queries with their relevant items.
        ks: list lengths of the metrics.
        seed: random seed of the bootstrap.
        corpus: bool [N]; restricts both the retrieved and the relevant items. None for
            all items.

    Returns:
        Metrics, with their intervals.

    Raises:
        ValueError: the hold-out has no query with a relevant item.
    """
    results = evaluate_systems([("", search)], holdout, ks=ks, seed=seed, corpora={WHOLE: corpus})
    return results[WHOLE][""]


def evaluate_systems(
    searches: Iterable[tuple[str, MakeSearch]],
    holdout: Holdout,
    *,
    corpora: Mapping[str, np.ndarray | None],
    ks: Sequence[int] = KS,
    seed: int,
    reference: str | None = None,
    slices: FieldSlices | None = None,
) -> dict[str, dict[str, Evaluation]]:
    """Evaluate several systems on several corpora.

    Each system scores each query once. All systems share the resamples of users.

    Args:
        searches: (name, search) of each system. A generator may build them one by one,
            so that only one is in memory.
        holdout: queries with their relevant items.
        corpora: bool [N] by name, as `corpus` of `evaluate`.
        ks: list lengths of the metrics.
        seed: random seed of the bootstrap.
        reference: system whose leads over all others are measured; None for no leads.
        slices: slices by field, compared on the whole corpus alone; None for none.

    Returns:
        Evaluations by corpus and system.

    Raises:
        ValueError: a corpus in which no query has a relevant item.
    """
    protocols = {
        name: Protocol.of(holdout, corpus, ks, (corpus is None and slices) or FieldSlices())
        for name, corpus in corpora.items()
    }
    masks = {(name, masked): mask for name, each in protocols.items() for masked, mask in each.masks.items()}
    rows_Q, ranks = np.arange(len(holdout.users_Q)), max(*ks, LIST_LENGTH)
    results: dict[str, dict[str, Evaluation]] = {name: {} for name in corpora}
    for system, search in searches:
        # One call for all masks: scores are computed once, and masked for each list.
        lists = dict(zip(masks, search.lists(rows_Q, ranks, list(masks.values())), strict=True))
        for name, each in protocols.items():
            results[name][system] = each.measured({masked: lists[name, masked] for masked in each.masks}, ks)
    return {name: with_intervals(systems, seed=seed, reference=reference) for name, systems in results.items()}
