"""Whatever a client sends, the answer is one of the described ones, and never a 500."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote, urlencode

from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.events.event import FIELDS
from feature_repo.events.sqlite_log import SqliteEventLog
from serving.http.access import Access
from serving.http.app import make_app
from serving.http.bodies import Failure
from tests.unit.feature_repo.items.items_world import RAW
from tests.unit.serving.http.service_world import World, call, in_world

PATHS = (
    "/v1/recommendations/{}",
    "/v1/items/{}/similar",
    "/v1/items/{}/hidden",
    "/v1/recommendations",
    "/v1/events",
    "/v1/items",
    "/v1/release{}",
    "/{}",
)
NAMES = ("k", "filter", "exclude", "exclude_seen", "user_ids", "extra")
NASTY = (
    "",
    " ",
    "é",
    "\x00",
    "%",
    "../..",
    "1e3",
    "-1",
    "9" * 400,
    "NaN",
    "true",
    "'",
    '"',
    "<script>",
    "𝕜",
    "a" * 2_000,
)
TEXTS = st.one_of(st.sampled_from(NASTY), st.text())
VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS)
JSON = st.recursive(VALUES, lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)), max_leaves=8)
BODIES = st.one_of(
    st.binary(),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(st.sampled_from(NAMES), JSON).map(lambda value: json.dumps(value).encode()),
    st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, JSON) | {"kind": st.just("click")})).map(
        lambda events: json.dumps(events).encode()
    ),
    st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(RAW, JSON))).map(
        lambda items: json.dumps(items).encode()
    ),
    st.builds(
        lambda users, others: json.dumps({**others, "user_ids": users}).encode(),
        st.lists(st.text(min_size=1), min_size=1, max_size=5),
        st.fixed_dictionaries({}, optional={"k": st.integers(), "filter": st.text(), "exclude": st.lists(st.text())}),
    ),
)
QUERIES = st.lists(st.tuples(st.sampled_from(NAMES), st.one_of(TEXTS, st.integers(-5, 2_000)))).map(urlencode)
HEADERS = st.dictionaries(
    st.sampled_from(["x-request-id", "content-type", "content-length", "authorization", "traceparent"]),
    st.text(st.characters(max_codepoint=255)).map(lambda text: text.encode("latin-1").decode("latin-1")),
)
METHODS = st.sampled_from([None, None, "PUT", "DELETE"])
ASKED = st.tuples(st.sampled_from(PATHS), TEXTS, QUERIES, HEADERS, st.one_of(st.none(), BODIES), METHODS)


@settings(deadline=None, max_examples=40)
@given(st.lists(ASKED, min_size=3, max_size=10))
def test_no_request_breaks_the_service(requests: list[tuple[str, str, str, Any, bytes | None, str | None]]) -> None:
    async def story(world: World) -> None:
        folder = TemporaryDirectory()
        world.log = SqliteEventLog(Path(folder.name) / "log.db")
        app = make_app(world.service, Access(None))
        await world.serves(1)
        for path, text, query, headers, body, method in requests:
            asked, parts = f"{path.format(quote(text))}?{query}", None if body is None else [body]
            reply = await call(app, asked, body=parts, headers=headers, method=method)
            assert reply.status in (200, 307, 400, 404, 405, 413, 415, 422), (path, text, query, body, reply.body)
            if reply.status >= 400:
                Failure.model_validate(reply.data)
            assert world.engines[0].batches == [] or len(world.engines[0].batches[-1]) <= world.settings.max_users
        folder.cleanup()

    in_world(story)
