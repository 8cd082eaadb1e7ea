"""A click on the page as an event of a known user: kept, brought online, and seen by the next list."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter

from fastapi import Request

from serving.http.errors import ApiError
from serving.http.page.answers import CLICK, Click, PageQuestion, Shown, question_of, shown
from serving.http.service import Service, refuse

ONLINE_SECONDS = 3.0
"""Longest wait for the features."""


def require_own_page(request: Request) -> None:
    """Refuse a click that another site has a browser send: ApiError.

    A form of another site can set no header, and a browser names the site that sends it.
    """
    is_own = "hx-request" in request.headers or request.headers.get("sec-fetch-site") == "same-origin"
    if not is_own:
        raise ApiError(403, "a click comes from the page of this service; other programs use POST /v1/events")


async def shown_after_click(request: Request, asked: PageQuestion, item_id: str, shown_by: str, position: str) -> Shown:
    """Keep a click, wait until the features have it, and show the next list beside the one before.

    Args:
        request: the request.
        asked: what the page asks.
        item_id: the item.
        shown_by: request id of the list that was clicked.
        position: rank of the item in it, from 1.

    Raises:
        ApiError: the click cannot be kept, or there is no list.
        OverloadedError: the service is busy.
    """
    if not asked.user:
        raise ApiError(422, "the click has no user: only a known user has events")
    service: Service = request.app.state.service
    (before,) = (await service.answer([question_of(request, asked, ())])).answers
    if "error" in before:
        raise refuse(before["error"])
    # The same click, sent again, counts once.
    event_id = f"page-{shown_by}-{position}"
    event = {"event_id": event_id, "kind": CLICK, "user_id": asked.user, "item_id": item_id, "request_id": shown_by}
    started = perf_counter()
    (kept,) = await service.events.take([event | {"position": int(position) if position.isdecimal() else position}])
    milliseconds = 1000 * (perf_counter() - started)
    is_online = service.consumer and await service.consumer.reach(kept.sequence, ONLINE_SECONDS)
    seconds = perf_counter() - started if is_online else None
    found = await shown(request, asked, former=[item["item_id"] for item in before["items"]])
    named = {each["item_id"]: each["name"] for each in (*found.history, *found.items)}
    name = named.get(item_id, item_id)
    return replace(found, click=Click(event_id=event_id, name=name, milliseconds=milliseconds, seconds_online=seconds))
