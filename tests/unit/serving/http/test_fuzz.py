"""Whatever a client sends, the answer is one of the described ones, and never a 500."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlencode

from hypothesis import given, settings
from hypothesis import strategies as st

from serving.http.access import Access
from serving.http.app import make_app
from serving.http.bodies import Failure
from tests.unit.serving.http.service_world import World, call, in_world

ROUTES = ("/v1/recommendations", "/v1/items", "/v1/release", "/readyz", "/metrics")
NAMES = ("k", "filter", "exclude", "exclude_seen", "user_ids", "extra")
VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text())
JSON = st.recursive(VALUES, lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)), max_leaves=8)
BODIES = st.one_of(
    st.binary(),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(st.sampled_from(NAMES), JSON).map(lambda value: json.dumps(value).encode()),
    st.builds(
        lambda users, others: json.dumps({**others, "user_ids": users}).encode(),
        st.lists(st.text(min_size=1), min_size=1, max_size=5),
        st.fixed_dictionaries({}, optional={"k": st.integers(), "filter": st.text(), "exclude": st.lists(st.text())}),
    ),
)
QUERIES = st.lists(st.tuples(st.sampled_from(NAMES), st.one_of(st.text(), st.integers(-5, 2_000)))).map(urlencode)
HEADERS = st.dictionaries(
    st.sampled_from(["x-request-id", "content-type", "content-length", "authorization", "traceparent"]),
    st.text(st.characters(max_codepoint=255)).map(lambda text: text.encode("latin-1").decode("latin-1")),
)
ASKED = st.tuples(st.sampled_from(ROUTES), st.text(), st.sampled_from(["", "/similar"]), QUERIES, HEADERS)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(ASKED, st.one_of(st.none(), BODIES)), min_size=1, max_size=5))
def test_no_request_breaks_the_service(requests: list[tuple[Any, bytes | None]]) -> None:
    async def story(world: World) -> None:
        app = make_app(world.service, Access(None))
        await world.serves(1)
        for (route, rest, end, query, headers), body in requests:
            path = f"{route}/{quote(rest)}{end}" if rest else route
            reply = await call(app, f"{path}?{query}", body=None if body is None else [body], headers=headers)
            assert reply.status in (200, 307, 404, 405, 413, 415, 422), (path, query, body, reply.body)
            if reply.status >= 400:
                Failure.model_validate(reply.data)
            assert world.engines[0].batches == [] or len(world.engines[0].batches[-1]) <= world.settings.max_users

    in_world(story)
