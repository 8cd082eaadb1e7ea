"""Events as they happen."""

from __future__ import annotations

from time import perf_counter
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Body, Request
from fastapi.responses import Response
from pydantic import WithJsonSchema

from serving.http.bodies import EVENT, EventsKept, Failure, NewEvent
from serving.http.routes.recommendations import FAILURES
from serving.http.service import Service

router = APIRouter(tags=["events"])
SCHEMA = NewEvent.model_json_schema()
EXAMPLES: dict[str, Any] = {
    "one click": {"value": EVENT},
    "a purchase and what was shown": {
        "value": [
            {"event_id": "p-3", "kind": "purchase", "user_id": "718", "item_id": "1029743", "value": 4.5},
            {**EVENT, "event_id": "s-99", "kind": "impression", "position": 1, "propensity": 1.0},
        ]
    },
}
# Parsed as it comes: `feature_repo.events` checks each event, and names it.
Posted = Annotated[
    Any,
    WithJsonSchema({"anyOf": [SCHEMA, {"type": "array", "items": SCHEMA}]}),
    Body(openapi_examples=EXAMPLES),
]
REFUSED = {"model": Failure, "description": "The log cannot be written, or too many events wait; nothing was kept"}


@router.post("/v1/events", response_model=None, responses={**FAILURES, 200: {"model": EventsKept}, 503: REFUSED})
async def post_events(request: Request, body: Posted) -> Response:
    """Keep one event or a list of them: all, or none if one cannot be used.

    The answer comes when they are on the disk. An id that comes again with the same
    content counts once, so a request without an answer may be sent again.
    """
    service: Service = request.app.state.service
    raw = body if isinstance(body, list) else [body]
    started = perf_counter()
    kept = await service.events.take(raw)
    told = {
        "accepted": sum(not each.known for each in kept),
        "known": [event["event_id"] for event, each in zip(raw, kept, strict=True) if each.known],
        "request_id": request.state.request_id,
        "timings_ms": {"durable": round(1000 * (perf_counter() - started), 3)},
    }
    return Response(orjson.dumps(told), media_type="application/json")
