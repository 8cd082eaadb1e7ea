"""New items, and items that are hidden."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Body, Request
from fastapi.responses import Response
from pydantic import WithJsonSchema

from feature_repo.items.json_schema import ID_SCHEMA, item_json_schema
from feature_repo.items.store import Room
from feature_repo.schema import Schema
from serving.http.batcher import Answered
from serving.http.bodies import NEW_ITEM, Failure, ItemHidden, ItemsKept
from serving.http.errors import LOADING_SECONDS, ApiError
from serving.http.limits import check_id
from serving.http.routes.recommendations import FAILURES
from serving.http.service import Service, refuse

router = APIRouter(tags=["items"])
SEARCHABLE_SECONDS, LOOK_SECONDS = 5.0, 0.01
"""Longest wait until the engine has embedded the items of a request, and the time between two looks."""
SCHEMA = {"type": "object", "required": ["item_id"], "properties": {"item_id": ID_SCHEMA}}
"""Item of a release that is not known."""
EXAMPLES: dict[str, Any] = {
    "one item": {"value": NEW_ITEM},
    "two items": {"value": [NEW_ITEM, {**NEW_ITEM, "item_id": "1029998"}]},
}
PATH = "/v1/items"
# Parsed as it comes: the features are the release's own, and `feature_repo.items` checks them.
Posted = Annotated[
    Any,
    WithJsonSchema({"anyOf": [SCHEMA, {"type": "array", "items": SCHEMA}]}),
    Body(openapi_examples=EXAMPLES),
]
UNKNOWN = {"model": Failure, "description": "Neither the release nor the new items have the item"}
FULL = {"model": Failure, "description": "There are as many new items as may be, until the next run"}
REFUSED = {"model": Failure, "description": "The store cannot be written, or no release is loaded; nothing was kept"}


@router.post(
    PATH,
    response_model=None,
    responses={**FAILURES, 200: {"model": ItemsKept}, 409: FULL, 503: REFUSED},
)
async def post_items(request: Request, body: Posted) -> Response:
    """Keep a new item or a list of them: all, or none if one cannot be used.

    The answer comes when they are on the disk, and as a rule when they can be found. The
    same item may be sent again; another content of an id replaces the former.
    """
    service: Service = request.app.state.service
    started = perf_counter()
    facts = service.supervisor.facts
    if facts is None:
        raise ApiError(503, "; ".join(service.supervisor.problems.values()), retry_after=LOADING_SECONDS)
    items = service.items.checked(body if isinstance(body, list) else [body], facts["schema"])
    ids = list(dict.fromkeys(item.item_id for item in items))
    room = await _room(service, ids)
    outcomes, sequence = await service.items.put(items, room)
    durable = perf_counter() - started
    version, found = await _searchable(service, ids, sequence)
    service.metrics.item_seconds.observe(perf_counter() - started)
    told = {
        "items": [
            {"item_id": item.item_id, "outcome": outcome.value} for item, outcome in zip(items, outcomes, strict=True)
        ],
        "version": version,
        "searchable": found["sequence"] >= sequence and not found["failed"],
        "judged": found["judged"],
        "failed": found["failed"],
        "request_id": request.state.request_id,
        "timings_ms": _milliseconds(durable=durable, searchable=perf_counter() - started),
    }
    return _json(told)


@router.put(
    "/v1/items/{item_id:id}/hidden",
    response_model=None,
    responses={**FAILURES, 200: {"model": ItemHidden}, 404: UNKNOWN, 503: REFUSED},
)
async def hide(request: Request, item_id: str) -> Response:
    """Keep an item out of all answers from the next one on, until it is shown again."""
    service: Service = request.app.state.service
    check_id("item_id", item_id)
    await _ask(service, [item_id], required=True)
    await service.items.hide(item_id)
    return _json({"item_id": item_id, "hidden": True, "request_id": request.state.request_id})


@router.delete(
    "/v1/items/{item_id:id}/hidden",
    response_model=None,
    responses={**FAILURES, 200: {"model": ItemHidden}, 404: UNKNOWN, 503: REFUSED},
)
async def show(request: Request, item_id: str) -> Response:
    """Answer a hidden item again, from the next answer on."""
    service: Service = request.app.state.service
    check_id("item_id", item_id)
    if item_id not in await service.items.hidden():
        await _ask(service, [item_id], required=True)
    await service.items.show(item_id)
    return _json({"item_id": item_id, "hidden": False, "request_id": request.state.request_id})


def describe(openapi: dict[str, Any], service: Service) -> None:
    """Let a description of the service name the items of the release that serves."""
    content = openapi["paths"][PATH]["post"]["requestBody"]["content"]["application/json"]
    item = SCHEMA
    if service.supervisor.facts is not None:
        item = item_json_schema(Schema.from_json(service.supervisor.facts["schema"]))
        content.pop("examples", None)  # they are items of another dataset
    several = {"type": "array", "items": item, "minItems": 1, "maxItems": service.settings.max_items}
    content["schema"] = {"anyOf": [item, several]}


async def _room(service: Service, ids: Sequence[str]) -> Room:
    """Room that the release has; the store counts what others put meanwhile."""
    _, found = await _ask(service, ids)
    return Room(
        sequence=found["sequence"],
        count=found["count"],
        most=service.settings.max_new_items,
        known=[id_ for id_ in ids if id_ not in found["unknown"]],
    )


async def _searchable(service: Service, ids: Sequence[str], sequence: int) -> tuple[int, Mapping[str, Any]]:
    """Wait until the engine has the store up to a number: its version, and the state of the items."""
    deadline = asyncio.get_running_loop().time() + SEARCHABLE_SECONDS
    while True:
        answered, found = await _ask(service, ids, sequence=sequence)
        if found["sequence"] >= sequence or asyncio.get_running_loop().time() > deadline:
            return answered.version, found
        await asyncio.sleep(LOOK_SECONDS)


async def _ask(
    service: Service, ids: Sequence[str], *, sequence: int = 0, required: bool = False
) -> tuple[Answered, Mapping[str, Any]]:
    """State of items in the engine.

    Args:
        service: the service.
        ids: the items.
        sequence: number of the store up to which the engine shall hurry.
        required: whether an unknown item is an error.

    Raises:
        ApiError: an item is unknown, or no engine answers.
    """
    answered = await service.answer([{"op": "items", "item_ids": ids, "sequence": sequence, "required": required}])
    (answer,) = answered.answers
    if "error" in answer:
        raise refuse(answer["error"])
    return answered, answer


def _milliseconds(**seconds: float) -> dict[str, float]:
    return {name: round(1000 * each, 3) for name, each in seconds.items()}


def _json(told: Mapping[str, Any]) -> Response:
    return Response(orjson.dumps(told), media_type="application/json")
