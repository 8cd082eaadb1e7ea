"""Propensities of answers, and the order of those that are randomised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from serving.answer import TWO_TOWER
from serving.experiments.definition import Design
from serving.experiments.exploration import Exploration
from serving.http.experiments.answering import is_sound

Answer = dict[str, Any]
RANDOMISED = "randomised"
"""Key of the kind of randomisation in an answer that is randomised, and of the group in its items."""


def explore(answers: Sequence[Answer], exploration: Exploration, request_id: str) -> None:
    """Randomise the share of some answers, and tell propensity and group of each item.

    Popular items and degraded answers are left as they are.

    Args:
        answers: answers of one request; they are changed.
        exploration: the share and its kind.
        request_id: id of the request, which decides the order.
    """
    for answer in answers:
        if "error" in answer or answer["source"] != TWO_TOWER or not is_sound(answer):
            tell_certain([answer])
            continue
        items = answer["items"]
        ranks = exploration.order(request_id, answer["user_id"], len(items))
        if ranks is not None:
            items[: len(ranks)] = [items[rank] for rank in ranks]
            answer[RANDOMISED] = exploration.kind.value
            for item, group in zip(items, exploration.groups(request_id, answer["user_id"], len(items)), strict=False):
                if group:
                    item[RANDOMISED] = group
        for item, propensity in zip(items, exploration.propensities(ranks, len(items)), strict=True):
            item["propensity"] = propensity


def tell_certain(answers: Sequence[Answer]) -> None:
    """Tell that answers are not random, in the answers themselves.

    Those of interleaved experiments are: the tosses decide, and nobody computes the
    probability of a position.
    """
    for answer in answers:
        if "error" not in answer and answer["source"] != Design.INTERLEAVED:
            for item in answer["items"]:
                item["propensity"] = 1.0
