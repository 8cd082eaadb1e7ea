"""Answers of the front itself, from the popular items of the release, while no engine answers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from serving.http.batcher import Answered, Question

REASON = "the engine is being started again: popular items"
UNAVAILABLE = {"status": 503, "message": "the engine is being started again, and only it can answer this"}


def popular_answers(facts: Mapping[str, Any], questions: Sequence[Question], hidden: Collection[str] = ()) -> Answered:
    """Answer with popular items, flagged as degraded.

    A filter is never ignored: what has one, or asks for similar items, gets an error.

    Args:
        facts: facts on the release that served last.
        questions: the questions.
        hidden: items that nobody gets.
    """
    answers = [_popular(facts, question, hidden) for question in questions]
    return Answered(version=facts["version"], answers=answers, timings={})


def _popular(facts: Mapping[str, Any], question: Question, hidden: Collection[str]) -> dict[str, Any]:
    if question["op"] != "recommend" or question["where"]:
        return {"error": UNAVAILABLE}
    left_out, k = {*question["exclude"], *hidden}, question["k"]
    items = [dict(item) for item in facts["popular"][: k + len(left_out)] if item["item_id"] not in left_out][:k]
    seen = "; seen items are not left out" if question["exclude_seen"] else ""
    return {
        "user_id": question["user_id"],
        "version": facts["version"],
        "source": "popular",
        "items": items,
        "notes": [f"only {len(items):,} of {k:,} items"] if len(items) < k else [],
        "flags": {"degraded": REASON + seen},
        "features_as_of": None,
        "newest_row": None,
    }
