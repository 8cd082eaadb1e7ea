"""Bodies of requests and answers, as OpenAPI describes them.

Answers are written as they are: these classes describe them, and tests hold them to it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

# Described, not enforced here: `serving.http.limits` refuses them in its own words.
FROM_1: dict[str, Any] = {"minimum": 1}
Id = Annotated[str, Field(json_schema_extra={"minLength": 1})]
EventId = Annotated[str, Field(min_length=1, max_length=256)]
FLAGS = (
    "Reasons by flag: `unknown` (nothing is known of the user), `stale` (old features), `degraded` (popular items),"
    " `fallback` (the champion's answer instead of the variant's)."
)
PART = "Whether to take part in the running experiment; else the champion answers, and no exposure is kept."
PROPENSITY = (
    "Probability that the item is shown at this position, for its impression to return; 1 where nothing is random. An"
    " interleaved answer has none."
)
TIMINGS = "Milliseconds by stage. `queue` is this request's; the engine's stages are those of its whole batch."
ITEM: dict[str, Any] = {"item_id": "1029743", "score": 0.8123, "fields": {"department": "GROCERY", "price_28d": 1.99}}
EXAMPLE: dict[str, Any] = {
    "user_id": "718",
    "version": 3,
    "source": "two_tower",
    "items": [ITEM | {"propensity": 1.0}],
    "notes": [],
    "flags": {},
    "features_as_of": "2017-12-31T00:00:00",
    "newest_row": "2017-12-30T18:21:00",
}
TIMES: dict[str, Any] = {"queue": 0.1, "features": 1.2, "engine": 4.9}
WHOLE: dict[str, Any] = {
    "request_id": "5f0c1f4e8d5b4f4aa3f1f4b7b0a6b1c2",
    "timings_ms": {"queue": 0.1, "features": 1.2, "engine": 4.9},
}
EVENT: dict[str, Any] = {
    "event_id": "c-18",
    "kind": "click",
    "user_id": "718",
    "item_id": "1029743",
    "request_id": WHOLE["request_id"],
    "position": 3,
}

NEW_ITEM: dict[str, Any] = {"item_id": "1029999", "department": "GROCERY", "brand": "National", "title": "Green tea"}


def _with_example(example: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [example]})


class Item(BaseModel):
    """Item of an answer."""

    item_id: str
    score: float = Field(description="Cosine of user and item, or the re-scorer's score; the count of a popular item.")
    fields: dict[str, Any] = Field(description="Stored fields by name.")
    new: bool = Field(False, description="Whether it came after the release was judged; only then there.")
    variant: str | None = Field(None, description="Variant that picked the item, in an interleaved answer.")


class PlacedItem(Item):
    """Item at its position in the answer to a user."""

    propensity: float | None = Field(None, gt=0, le=1, description=PROPENSITY)
    randomised: str | None = Field(
        None, description="Group of items of this answer whose order is random; only there. The impression returns it."
    )


class UserAnswer(BaseModel):
    """Recommendations of one user."""

    user_id: str
    version: int = Field(description="Release that answered.")
    source: str = Field(description="`two_tower`, `popular`, or `interleaved`.")
    items: list[PlacedItem]
    notes: list[str] = Field(description="Remarks, such as fewer items than wanted.")
    flags: dict[str, str] = Field(description=FLAGS)
    features_as_of: str | None = Field(description="Time that the online features stand for, UTC.")
    newest_row: str | None = Field(description="Time of the user's newest features, UTC: of the last load or event.")
    experiment: str | None = Field(None, description="Experiment that the answer is part of, where one runs.")
    variant: str | None = Field(None, description="Variant of the user in it; `interleaved` for an answer of both.")
    randomised: Literal["swap", "slice"] | None = Field(
        None, description="Kind of randomisation, where the order of this answer is random; only then there."
    )


class Recommended(UserAnswer):
    """Answer to a request for one user."""

    model_config = _with_example(EXAMPLE | WHOLE)
    request_id: str
    timings_ms: dict[str, float] = Field(description=TIMINGS)


class Broken(BaseModel):
    """User whose answer failed."""

    user_id: str
    error: dict[str, Any]


class RecommendedToMany(BaseModel):
    """Answer to a request for many users, all of one version unless an experiment runs."""

    model_config = _with_example({"version": 3, "answers": [EXAMPLE], **WHOLE})
    version: int = Field(description="Release that serves; a variant's answers name their own.")
    answers: list[UserAnswer | Broken] = Field(description="Answers in the order of `user_ids`, then of `users`.")
    request_id: str
    timings_ms: dict[str, float] = Field(description=TIMINGS)


class User(BaseModel):
    """User with the items of a session."""

    model_config = ConfigDict(extra="forbid")
    user_id: Id
    session: list[Id] = Field(default=[], description="Items that the user has just met, the oldest first.")


class ManyUsers(BaseModel):
    """Request for the recommendations of many users."""

    model_config = ConfigDict(extra="forbid") | _with_example(
        {
            "user_ids": ["718", "1228"],
            "users": [{"user_id": "a visitor", "session": ["1029743", "1082185"]}],
            "k": 10,
            "filter": 'department == "GROCERY"',
        }
    )
    user_ids: list[Id] = []
    users: list[User] = Field(default=[], description="Further users, known or not, with what they have just met.")
    k: int = Field(default=20, json_schema_extra=FROM_1)
    filter: str | None = None
    exclude_seen: bool = False
    exclude: list[Id] = []
    experiment: bool = Field(default=True, description=PART)


class Similar(BaseModel):
    """Items that are nearest to an item."""

    model_config = _with_example({"item_id": "1029743", "version": 3, "items": [ITEM], **WHOLE})
    item_id: str
    version: int
    items: list[Item]
    request_id: str
    timings_ms: dict[str, float] = Field(description=TIMINGS)


class NewEvent(BaseModel):
    """Event as a client sends it. `feature_repo.events` checks it, not this class."""

    model_config = ConfigDict(extra="forbid") | _with_example(EVENT)
    event_id: EventId = Field(description="Id that the client chose; the same id is the same event.")
    kind: str = Field(
        description="Kind of the dataset: `view`, `click`, `purchase`, `impression`, unless its YAML names others."
    )
    user_id: EventId
    item_id: EventId
    time: datetime | None = Field(None, description="ISO time by the client's clock. Default: the arrival.")
    value: float | None = Field(None, description="Money, rating or watch time.")
    basket_id: EventId | None = None
    request_id: EventId | None = Field(None, description="Request id of the answer that showed the item.")
    position: int | None = Field(None, ge=1, le=1_000_000, description="Rank of the item in that answer, from 1.")
    propensity: float | None = Field(None, gt=0, le=1, description="Probability of showing the item there.")
    row: int | None = Field(None, ge=1, le=1_000_000, description="Row of the item on a grid, from 1.")
    column: int | None = Field(None, ge=1, le=1_000_000, description="Column of the item on a grid, from 1.")
    randomised: EventId | None = Field(None, description="`randomised` of the item in that answer, if it has one.")


class EventsKept(BaseModel):
    """Outcome of a request whose events are all on the disk."""

    model_config = _with_example(
        {"accepted": 2, "known": ["c-17"], "request_id": WHOLE["request_id"], "timings_ms": {"durable": 1.9}}
    )
    accepted: int = Field(description="Number of events that are new.")
    known: list[str] = Field(description="Ids of events that the log had before; they count once.")
    request_id: str
    timings_ms: dict[str, float] = Field(description="Milliseconds until the events were on the disk.")


class ItemKept(BaseModel):
    """Outcome of one item."""

    item_id: str
    outcome: Literal["new", "replaced", "known"]


class ItemsKept(BaseModel):
    """Outcome of a request whose items are all on the disk."""

    model_config = _with_example(
        {
            "items": [{"item_id": "1029999", "outcome": "new"}],
            "version": 3,
            "searchable": True,
            "judged": [],
            "failed": {},
            "request_id": WHOLE["request_id"],
            "timings_ms": {"durable": 2.1, "searchable": 31.5},
        }
    )
    items: list[ItemKept]
    version: int = Field(description="Release whose item tower embedded them.")
    searchable: bool = Field(description="Whether answers can have them now; if not, they will within seconds.")
    judged: list[str] = Field(description="Items that the release has: it answers them as they were judged.")
    failed: dict[str, str] = Field(description="Reasons by id for items that the release cannot take in.")
    request_id: str
    timings_ms: dict[str, float] = Field(description="Milliseconds until they were on the disk, and searchable.")


class ItemHidden(BaseModel):
    """State of an item."""

    model_config = _with_example({"item_id": "1029743", "hidden": True, "request_id": WHOLE["request_id"]})
    item_id: str
    hidden: bool
    request_id: str


class Failure(BaseModel):
    """Every answer other than 200."""

    model_config = _with_example({"error": "k is 0, wanted 1 to 1,000", "request_id": WHOLE["request_id"]})
    error: str = Field(description="What was got and wanted.")
    request_id: str
    position: int | None = Field(None, description="Position in the filter, from 1, where it cannot be read.")
    field: str | None = Field(None, description="Field of a new item that cannot be used.")


class Healthy(BaseModel):
    """Answer of a process that lives."""

    healthy: bool


class Readiness(BaseModel):
    """State of the service; without the token, of a service that needs one, `ready` alone."""

    ready: bool = Field(description="Whether an engine answers.")
    version: int | None = Field(None, description="Version that serves.")
    champion: int | None = Field(None, description="Version of the champion at the last look.")
    problems: dict[str, str] = Field(default={}, description="What is wrong now, by its kind.")


class StoredField(BaseModel):
    """Stored field of the items."""

    name: str
    kind: str
    display: bool
    filterable: bool = Field(description="Whether a filter may name it.")


class ReleaseFacts(BaseModel):
    """Release that serves, or that served last."""

    dataset: str
    version: int
    created: str
    data_until: str
    holdout_from: str
    holdout_days: float = Field(description="Days that the version was judged on.")
    items: int
    dimensions: int
    verdict: str
    override: str | None = Field(description="Reason by which it serves all the same, where it did not pass.")
    reasons: list[str] = Field(description="Reasons of the verdict.")
    metrics: dict[str, float | None]
    fields: list[StoredField]
    champion: int | None
    request_id: str


FAILURES_OF_ANY: dict[int | str, dict[str, Any]] = {
    status: {"model": Failure, "description": description}
    for status, description in {
        400: "The body is no JSON",
        401: "No token, or a wrong one",
        408: "The body paused for too long",
        413: "The body is too long",
        421: "Without a token, another host than localhost was asked for",
    }.items()
}
"""Failures that any request may get, by status."""
