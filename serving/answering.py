"""Answers to many requests at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from serving.request import Request
from serving.retriever import OnlineFeatures, Recommendations, Retriever


def answer_many(retriever: Retriever, store: OnlineFeatures, requests: Sequence[Request]) -> list[Recommendations]:
    """Answer requests, each as `Retriever.recommend` does.

    Args:
        retriever: retriever of one release.
        store: its online features.
        requests: the requests; the answers are in their order.

    Raises:
        ValueError: a k is below 1, or a filter cannot be used.
        InputError: seen items are to be left out, and no run has loaded them.
    """
    return [_answer(retriever, request, _left_out(store, request)) for request in requests]


def _left_out(store: OnlineFeatures, request: Request) -> set[str]:
    seen = store.seen_items([request.user_id])["item_id"].to_list() if request.exclude_seen else []
    return {*request.exclude, *seen}


def _answer(retriever: Retriever, request: Request, left_out: set[str]) -> Recommendations:
    """Answer one request, from a list that is long enough to leave items out of."""
    k = request.k
    answer = retriever.recommend(request.user_id, k + len(left_out), request.where, at=request.at)
    if not left_out:
        return answer
    items = tuple(item for item in answer.items if item.item_id not in left_out)[:k]
    # Notes that count items speak of the longer list.
    notes = [note for note in answer.notes if not note.startswith(("only ", f"{k + len(left_out):,} items"))]
    if len(items) < k:
        notes.append(f"only {len(items):,} of {k:,} items match and are not left out")
    return replace(answer, items=items, notes=tuple(notes))
