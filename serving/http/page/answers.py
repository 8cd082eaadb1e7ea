"""Questions of the page to the engine, and answers in the form that the templates show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from fastapi import Request

from serving.http.batcher import Answered
from serving.http.bodies import User
from serving.http.errors import ApiError
from serving.http.limits import check_id
from serving.http.page.render import name_of
from serving.http.routes.recommendations import questions_of
from serving.http.service import Service, ask, refuse

TWO_TOWER = "two_tower"
"""Source of an answer from features."""
CLICK = "click"
"""Kind of the events of the page; where a dataset has no such interactions, a click is kept in the page."""
K = 12
"""Items of the list."""
SESSION = 30
"""Most items of a session on the page; the oldest leave."""
TRIES = 3
"""Answers that are asked for, until list and reasons come from one version."""


@dataclass(frozen=True, kw_only=True)
class PageQuestion:
    """Question of a person on the page."""

    user: str = ""
    """Id of the user; empty for one that is made up."""
    session: tuple[str, ...] = ()
    """Clicked items, the oldest first."""
    where: str = ""
    """Filter."""
    is_try: bool = False
    """Whether the clicks of a known user are no events, but stay in the session."""
    beside: str = ""
    """Version to compare with: its number, `newest`, or empty for none."""

    @property
    def address(self) -> str:
        """Address of the page that asks this."""
        fields = {"user": self.user, "of": self.user, "session": self.session, "filter": self.where}
        fields |= {"try": "1" if self.is_try else "", "beside": self.beside}
        return "/?" + urlencode({name: value for name, value in fields.items() if value}, doseq=True)


@dataclass(frozen=True, kw_only=True)
class Click:
    """Click of a known user, as it was kept."""

    event_id: str
    name: str
    """Name of the item."""
    milliseconds: float
    """Time until it was on the disk."""
    seconds_online: float | None
    """Time until the online features had it; None if that is not known."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Answer as the page shows it."""

    items: list[dict[str, Any]] = field(default_factory=list)
    """Recommended items: item_id, name, score, times (in the history), move, reasons."""
    history: list[dict[str, Any]] = field(default_factory=list)
    """Items of the history: item_id, name, count, last."""
    answer: Mapping[str, Any] = field(default_factory=dict)
    """Answer of the engine: source, flags, notes, features_as_of."""
    timings: Mapping[str, float] = field(default_factory=dict)
    """Milliseconds by stage, of the list alone."""
    problem: str = ""
    """Why there is no list."""
    position: int | None = None
    """Position in the filter that cannot be read, from 1."""
    unexplained: str = ""
    """Why there is no history and no reason."""
    keeps_clicks: bool = False
    """Whether a click is an event: the user is known, and no session is tried."""
    click: Click | None = None
    """Click that led to this list."""


def question_of(request: Request, asked: PageQuestion, session: Sequence[str]) -> dict[str, Any]:
    """Question of the page to an engine.

    Args:
        request: the request.
        asked: what is asked.
        session: items of the session.
    """
    # An id that no store has.
    user_id = asked.user or f"made-up-{request.state.request_id}"
    check_id("user", user_id)
    service: Service = request.app.state.service
    user = User(user_id=user_id, session=list(session))
    return questions_of(service, [user], K, asked.where or None, False, ())[0]


async def shown(request: Request, asked: PageQuestion, former: Sequence[str] = ()) -> Shown:
    """Ask for a list and its reasons, by one version.

    Args:
        request: the request.
        asked: what is asked.
        former: ids of the list that this one is compared with, by default that before the newest item of the session.

    Raises:
        ApiError: the answer is an error.
        OverloadedError: the service is busy.
    """
    service: Service = request.app.state.service
    now, before = (question_of(request, asked, session) for session in (asked.session, asked.session[:-1]))
    for _ in range(TRIES):
        answered = await ask(request, [now])
        answer = answered.answers[0]
        if "error" in answer:
            raise refuse(answer["error"])
        item_ids = [item["item_id"] for item in answer["items"]]
        explain = {**now, "op": "explain", "item_ids": item_ids}
        # Apart from the list, whose times by stage are those of an ordinary request.
        further = await service.answer([explain, before] if asked.session else [explain])
        if further.version == answered.version:
            found = _shown(service, answered, further, former)
            is_event = bool(asked.user) and not asked.is_try and service.events.is_interaction(CLICK)
            return replace(found, keeps_clicks=is_event and _is_known(asked, answer))
    raise ApiError(503, "the release is being changed: ask again", retry_after=1)


def _is_known(asked: PageQuestion, answer: Mapping[str, Any]) -> bool:
    """Whether an answer is from stored features of the user; a session would hide that there are none."""
    return answer["source"] == TWO_TOWER and not asked.session and "degraded" not in answer["flags"]


def _shown(service: Service, answered: Answered, further: Answered, former: Sequence[str]) -> Shown:
    answer, explained = answered.answers[0], further.answers[0]
    fields = (service.supervisor.facts or {}).get("fields", ())
    history = [{**past, "name": name_of(past, fields)} for past in explained.get("history", ())]
    pasts = {past["item_id"]: past for past in history}
    former = former or [item["item_id"] for each in further.answers[1:] for item in each.get("items", ())]
    items = [
        {
            **item,
            "name": name_of(item, fields),
            "times": pasts[item["item_id"]]["count"] if item["item_id"] in pasts else 0,
            "move": move_of(item["item_id"], rank, former) if former else "",
            "reasons": [
                {**near, "name": pasts[near["item_id"]]["name"]}
                for near in explained.get("reasons", {}).get(item["item_id"], ())
            ],
        }
        for rank, item in enumerate(answer["items"])
    ]
    unexplained = explained["error"]["message"] if "error" in explained else ""
    return Shown(items=items, history=history, answer=answer, timings=answered.timings, unexplained=unexplained)


def move_of(item_id: str, rank: int, former: Sequence[str]) -> str:
    """Change of an item's rank against another list, in words.

    Args:
        item_id: the item.
        rank: its rank, from 0.
        former: ids of the other list.
    """
    if item_id not in former:
        return "new"
    rise = former.index(item_id) - rank
    return f"up {rise}" if rise > 0 else f"down {-rise}" if rise else ""
