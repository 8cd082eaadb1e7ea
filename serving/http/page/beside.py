"""The version that serves beside another one: the two lists of a user, and what moved.

The other list comes from a second engine. The stored metrics, which compare the two on
all users of the hold-out, stand below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request

from serving.http.errors import ApiError
from serving.http.page.answers import PageQuestion, move_of, question_of
from serving.http.page.render import name_of
from serving.http.page.versions import Stored, moved, pair
from serving.http.second_engine import SecondEngine
from serving.http.service import Service, refuse


@dataclass(frozen=True, kw_only=True)
class Beside:
    """Two versions, as the page shows them."""

    own: Stored
    other: Stored
    versions: Sequence[Stored]
    """All versions to choose from."""
    metrics: Sequence[Mapping[str, Any]]
    """Stored metrics of both."""
    own_items: list[dict[str, Any]] = field(default_factory=list)
    """List of the version that serves: item_id, name, is_gone."""
    other_items: list[dict[str, Any]] = field(default_factory=list)
    """List of the other: item_id, name, move."""
    answer: Mapping[str, Any] = field(default_factory=dict)
    """Answer of the other version: source, flags."""
    problem: str = ""
    """Why there are no two lists."""

    @property
    def stay(self) -> int:
        """Number of items in both lists."""
        return sum(not item["is_gone"] for item in self.own_items)


async def compared(request: Request, asked: PageQuestion, stored: Sequence[Stored], serves: int) -> Beside | None:
    """Compare the version that serves with another one; None if there is no other.

    Args:
        request: the request.
        asked: what the page asks; its `beside` chooses the version.
        stored: sealed versions, the newest first.
        serves: version that serves.

    Raises:
        OverloadedError: the service is busy.
    """
    both = pair(stored, serves, asked.beside)
    if both is None:
        return None
    own, other = both
    told: dict[str, Any] = {"own": own, "other": other, "metrics": moved(own, other)}
    told["versions"] = [each for each in stored if each["version"] != serves]
    try:
        return Beside(**told, **await _lists(request, asked, other["version"]))
    except ApiError as error:
        return Beside(**told, problem=error.message)


async def _lists(request: Request, asked: PageQuestion, version: int) -> dict[str, Any]:
    """Ask both versions. ApiError if one has no list."""
    service: Service = request.app.state.service
    second: SecondEngine | None = request.app.state.second
    if second is None:
        raise ApiError(503, "this service has no second engine")
    question = question_of(request, asked, asked.session)
    # The other one first: it may have to be loaded, and the lists are to be of one moment.
    other = (await second.answer(version, [question])).answers[0]
    own = (await service.answer([question])).answers[0]
    for answer in (other, own):
        if "error" in answer:
            raise refuse(answer["error"])
    fields = (service.supervisor.facts or {}).get("fields", ())
    ids = [[item["item_id"] for item in answer["items"]] for answer in (own, other)]
    return {
        "own_items": [_item(each, fields) | {"is_gone": each["item_id"] not in ids[1]} for each in own["items"]],
        "other_items": [
            _item(each, fields) | {"move": move_of(each["item_id"], rank, ids[0])}
            for rank, each in enumerate(other["items"])
        ],
        "answer": other,
    }


def _item(item: Mapping[str, Any], fields: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"item_id": item["item_id"], "name": name_of(item, fields)}
