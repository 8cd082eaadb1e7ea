"""Answers of one release to the lines of the front.

A batch holds questions of many clients. What is wrong with one of them, a filter that cannot be read or a user whose
stored row breaks something, is the answer to that one alone.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from feature_repo.errors import InputError
from feature_repo.schema import Entity
from feature_repo.utc import present_time
from serving.answer import POPULAR, TWO_TOWER, Recommendations, Recommended
from serving.engine.guarded_store import GuardedStore, NoFeatures, NoRows
from serving.engine.offer import Offer
from serving.engine.stages import Stages
from serving.explanation import history_of, nearest
from serving.guard import AwayError
from serving.index.base import ItemIndex
from serving.index.filters import FilterError
from serving.known_items import unknown_item
from serving.release.load import Release
from serving.request import Request
from serving.retriever import STRANGER, Retriever
from serving.similar import similar_items

logger = logging.getLogger(__name__)
Answer = dict[str, Any]
REASONS = 2
"""Nearest items of the history that explain an item."""
_LEFT = {POPULAR: "popular items", TWO_TOWER: "answered from the session alone"}
"""Answers by source, while the online store is away."""


class Answerer:
    """One release, its online features and its index.

    Args:
        release: the release.
        store: its online features.
        index: its index.
        stages: time by stage.
        stale_after: age of the features from which on an answer is flagged as stale.
        now: present time, naive UTC.
        clock: seconds from any start.
    """

    def __init__(
        self,
        release: Release,
        store: GuardedStore,
        index: ItemIndex,
        stages: Stages,
        *,
        stale_after: timedelta,
        now: Callable[[], datetime] = present_time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.release = release
        self._stale_after, self._now = stale_after, now
        self.offer = Offer(store, clock=clock)
        self._store = store
        self._use(Retriever(release, store, index, stage=stages.stage))
        self._answers = {"recommend": self._recommend, "popular": self._popular_items}
        self._others: dict[str, Callable[[Mapping[str, Any]], Answer]] = {
            "similar": self._similar,
            "explain": self._explain,
            "users": self._users,
            "items": self._known_items,
        }

    def _use(self, retriever: Retriever) -> None:
        self._retriever, self.corpus, self.judged = retriever, retriever.corpus, retriever.judged
        self._popular = retriever.with_store(NoFeatures(self.offer.withdrawn))
        self._control = retriever.with_store(NoRows(self._store, self.offer.withdrawn))

    def answer(self, questions: Sequence[Mapping[str, Any]]) -> list[Answer]:
        """Answer the questions of a batch, in their order."""
        if self.offer.has_changed():
            # All answers of a batch see the same items.
            self._use(self._retriever.with_items(self.offer.new.corpus, self.offer.left_out))
        found: dict[int, Answer] = {}
        asked: dict[str, dict[int, Request]] = {op: {} for op in self._answers}
        for number, question in enumerate(questions):
            try:
                if question["op"] in asked:
                    self.corpus.matches(question["where"])
                    asked[question["op"]][number] = _request(question)
                else:
                    found[number] = self._others[question["op"]](question)
            except (FilterError, LookupError, InputError, AwayError) as error:
                found[number] = _refusal(error)
            except Exception:
                logger.exception("a question of the kind %s failed", question["op"])
                found[number] = _broken()
        for op, own in asked.items():
            found |= dict(zip(own, self._answers[op](list(own.values())), strict=True))
        return [found[number] for number in range(len(questions))]

    def _recommend(self, requests: list[Request]) -> list[Answer]:
        return self._answered(self._retriever, requests)

    def _popular_items(self, requests: list[Request]) -> list[Answer]:
        """Popular items for everybody, the control of an experiment; a session only says what was seen."""
        returns = self.release.schema.seen_items_may_return
        seen = [() if returns and not each.exclude_seen else each.session for each in requests]
        plain = [
            replace(each, session=(), exclude=(*each.exclude, *own)) for each, own in zip(requests, seen, strict=True)
        ]
        return [_as_wanted(answer) for answer in self._answered(self._control, plain)]

    def _answered(self, retriever: Retriever, requests: list[Request]) -> list[Answer]:
        """Answer by a retriever, and where the online store is away without it."""
        try:
            return [self._told(each) for each in retriever.answer(requests)]
        except AwayError as error:
            left = self._left(requests)
            return [{**self._told(each), "flags": {"degraded": f"{error}: {_LEFT[each.source]}"}} for each in left]
        except InputError as error:
            return [_refusal(error)] if len(requests) == 1 else self._one_by_one(retriever, requests)
        except Exception:
            logger.exception("a batch of %d requests failed", len(requests))
            return [_broken()] if len(requests) == 1 else self._one_by_one(retriever, requests)

    def _left(self, requests: list[Request]) -> list[Recommendations]:
        """Answer without online features: from sessions, or by popular items alone where the search is away."""
        try:
            return self._popular.answer(requests)
        except AwayError:
            return self._popular.answer([replace(each, session=()) for each in requests])

    def _one_by_one(self, retriever: Retriever, requests: list[Request]) -> list[Answer]:
        return [answer for each in requests for answer in self._answered(retriever, [each])]

    def _similar(self, question: Mapping[str, Any]) -> Answer:
        left_out = {*self.offer.left_out, *question["exclude"]}
        id_ = question["item_id"]
        items = similar_items(self.corpus, id_, question["k"], where=question["where"], left_out=left_out)
        return {"version": self.release.manifest.version, "item_id": id_, "items": _items(items)}

    def _explain(self, question: Mapping[str, Any]) -> Answer:
        """History of a user, and the nearest items of it to some items."""
        user = self._retriever.features(_request(question))
        history = history_of(self.corpus, self.release.schema.views_of(Entity.USER), user)
        near = nearest(self.corpus, question["item_ids"], [past.item_id for past in history], REASONS)
        return {
            "version": self.release.manifest.version,
            "history": [asdict(past) for past in history],
            "reasons": {item_id: [asdict(each) for each in found] for item_id, found in near.items()},
        }

    def _users(self, question: Mapping[str, Any]) -> Answer:
        """Known users whose id holds a text; those that begin with it come first."""
        text = question["text"]
        holding = (id_ for id_ in self._known_users if text in id_)
        first = sorted(holding, key=lambda id_: (not id_.startswith(text), len(id_), id_))[: question["k"]]
        return {"version": self.release.manifest.version, "user_ids": first}

    @cached_property
    def _known_users(self) -> list[str]:
        """Ids at the first search for one: newer users are found by their whole id only."""
        return self._retriever.known_users()

    def _known_items(self, question: Mapping[str, Any]) -> Answer:
        """State of some items, and of the new ones as a whole. LookupError if `required` ones are unknown."""
        new, judged, ids = self.offer.new, self.judged, question["item_ids"]
        unknown = [id_ for id_ in ids if self.corpus.row(id_) is None]
        if question["required"] and unknown:
            known = [*judged.ids, *(new.corpus.ids if new.corpus else ())]
            raise LookupError(unknown_item(unknown[0], known))
        if question["sequence"] > new.sequence:
            self.offer.hurry()
        return {
            "version": self.release.manifest.version,
            "sequence": new.sequence,
            "count": new.count,
            "judged": [id_ for id_ in ids if judged.row(id_) is not None],
            "unknown": unknown,
            "failed": {id_: new.failed[id_] for id_ in ids if id_ in new.failed},
        }

    def _told(self, answer: Recommendations) -> Answer:
        """Answer as data, with its flags."""
        as_of, newest = answer.features_as_of, answer.newest_row
        return {
            "user_id": answer.user_id,
            "version": answer.version,
            "source": answer.source,
            "items": _items(answer.items),
            "notes": answer.notes,
            "flags": self._flags(answer),
            "features_as_of": as_of.isoformat() if as_of else None,
            "newest_row": newest.isoformat() if newest else None,
        }

    def _flags(self, answer: Recommendations) -> dict[str, str]:
        """Reasons by flag; empty for an answer from fresh features of a known user."""
        flags = {}
        # A load leaves the row of a quiet user as it is; a row that was pushed since is younger.
        as_of = max((time for time in (answer.features_as_of, answer.newest_row) if time), default=None)
        if answer.source == POPULAR:
            flags["unknown"] = "nothing is known of this user: popular items"
        elif as_of is None or self._now() - as_of > self._stale_after:
            days = self._stale_after.total_seconds() / 86_400
            flags["stale"] = f"the features stand for {as_of:%Y-%m-%d %H:%M}, wanted at most {days:g} days ago"
        return flags


def _request(question: Mapping[str, Any]) -> Request:
    return Request(
        user_id=question["user_id"],
        k=question["k"],
        where=question["where"],
        exclude=tuple(question["exclude"]),
        exclude_seen=question["exclude_seen"],
        session=tuple(question["session"]),
    )


def _as_wanted(answer: Answer) -> Answer:
    """Answer of popular items that were asked for: no note and no flag that nothing is known of the user."""
    if "error" in answer:
        return answer
    flags = {name: reason for name, reason in answer["flags"].items() if name != "unknown"}
    return {**answer, "flags": flags, "notes": tuple(note for note in answer["notes"] if note != STRANGER)}


def _items(items: Sequence[Recommended]) -> list[Answer]:
    return [
        {"item_id": item.item_id, "score": item.score, "fields": item.fields} | ({"new": True} if item.new else {})
        for item in items
    ]


def _refusal(error: Exception) -> Answer:
    """Error that the client gets, with the position in the filter where there is one."""
    status = 404 if isinstance(error, LookupError) else 503 if isinstance(error, AwayError) else 422
    refusal = {"status": status, "message": str(error)}
    return {"error": refusal | ({"position": error.position} if isinstance(error, FilterError) else {})}


def _broken() -> Answer:
    return {"error": {"status": 500, "message": "the answer failed; the log of the engine says why"}}
