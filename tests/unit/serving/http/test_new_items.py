"""New and hidden items over HTTP without sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from feature_repo.datasets.tiny import SCHEMA
from feature_repo.items.json_schema import item_json_schema
from feature_repo.items.store import ItemStore
from serving.http.access import Access
from serving.http.app import make_app
from serving.http.bodies import Failure, ItemHidden, ItemsKept
from tests.unit.feature_repo.items.items_world import RAW, item
from tests.unit.serving.http.service_world import Reply, World, call, in_world

Send = Callable[..., Awaitable[Reply]]
TOKEN = "0123456789abcdef"


def sent(story: Callable[[World, Send], Awaitable[None]], token: str | None = None, **settings: Any) -> None:
    """Tell a story with requests to a service that has an engine."""

    async def inside(world: World) -> None:
        app = make_app(world.service, Access(token))
        await world.serves(1)

        async def send(path: str, data: Any = None, method: str | None = None, **headers: str) -> Reply:
            body = None if data is None else [json.dumps(data).encode()]
            return await call(app, path, body=body, method=method, headers=headers)

        await story(world, send)

    in_world(inside, **settings)


def stored(world: World) -> list[Any]:
    return [each.item for each in ItemStore(world.item_store).read()]


def count(world: World, outcome: str) -> float:
    return world.metrics.registry.get_sample_value("gatehouse_new_items_total", {"outcome": outcome}) or 0.0


def test_items_are_kept_and_embedded_when_the_answer_comes() -> None:
    async def story(world: World, send: Send) -> None:
        world.engines[0].behind = 2
        reply = await send("/v1/items", [RAW, RAW | {"item_id": "item0"}], **{"x-request-id": "mine"})
        assert reply.status == 200
        told = ItemsKept.model_validate(reply.data)
        assert [(each.item_id, each.outcome) for each in told.items] == [("n1", "new"), ("item0", "new")]
        assert (told.version, told.searchable, told.judged, told.failed) == (1, True, ["item0"], {})
        assert told.request_id == "mine"
        assert told.timings_ms["durable"] <= told.timings_ms["searchable"]
        assert stored(world) == [item("n1"), item("item0")]
        assert world.engines[0].behind == 0
        again = await send("/v1/items", RAW)
        other = await send("/v1/items", RAW | {"list_price": 8})
        assert [each.data["items"][0]["outcome"] for each in (again, other)] == ["known", "replaced"]
        assert [count(world, outcome) for outcome in ("new", "known", "replaced")] == [2, 1, 1]
        assert stored(world)[-1] == item("n1", list_price=8)

    sent(story)


def test_openapi_describes_the_items_of_the_release_that_serves() -> None:
    async def story(world: World, send: Send) -> None:
        operation = (await send("/openapi.json")).data["paths"]["/v1/items"]["post"]
        content = operation["requestBody"]["content"]["application/json"]
        one, several = content["schema"]["anyOf"]
        assert one == several["items"] == item_json_schema(SCHEMA)
        assert (several["minItems"], several["maxItems"]) == (1, 2)
        assert "examples" not in content

    sent(story, max_items=2)


def test_openapi_describes_any_item_before_a_release_is_loaded() -> None:
    async def story(world: World) -> None:
        described = (await call(make_app(world.service, Access(None)), "/openapi.json")).data
        content = described["paths"]["/v1/items"]["post"]["requestBody"]["content"]["application/json"]
        assert content["schema"]["anyOf"][0]["required"] == ["item_id"]
        assert content["schema"]["anyOf"][1]["maxItems"] == world.settings.max_items
        assert "examples" in content

    async def inside() -> None:
        world = World()
        await story(world)
        world.close()

    asyncio.run(inside())


@pytest.mark.parametrize(
    ("data", "message", "field"),
    [
        ([], "the request has 0 items, wanted 1 to 2", None),
        ([RAW] * 3, "the request has 3 items, wanted 1 to 2", None),
        (7, "items[0] is 7, wanted an object", None),
        ([RAW, RAW | {"list_price": -1}], "items[1], of id 'n1': field 'list_price' is -1; wanted", "list_price"),
        (RAW | {"colour": "red"}, "items[0], of id 'n1': field 'colour' is unknown", "colour"),
    ],
)
def test_what_cannot_be_used_is_refused_as_a_whole_with_its_field(data: Any, message: str, field: str | None) -> None:
    async def story(world: World, send: Send) -> None:
        reply = await send("/v1/items", data)
        assert reply.status == 422
        told = Failure.model_validate(reply.data)
        assert told.error.startswith(message)
        assert told.error.endswith("nothing of this request was kept")
        assert told.field == field
        assert not world.item_store.exists()

    sent(story, max_items=2)


def test_there_are_so_many_new_items_and_no_more() -> None:
    async def story(world: World, send: Send) -> None:
        world.engines[0].new_items = 4
        assert (await send("/v1/items", RAW)).status == 200
        reply = await send("/v1/items", [RAW, RAW | {"item_id": "n2"}])
        assert reply.status == 409
        assert "6 new items; a release takes 5: a run takes them in" in reply.data["error"]
        assert stored(world) == [item("n1")]

    sent(story, max_new_items=5)


def test_two_posts_at_one_moment_do_not_pass_the_bound_together() -> None:
    async def story(world: World, send: Send) -> None:
        world.engines[0].new_items = 4
        replies = await asyncio.gather(*(send("/v1/items", RAW | {"item_id": id_}) for id_ in ("n1", "n2")))
        assert sorted(reply.status for reply in replies) == [200, 409]
        assert len(stored(world)) == 1
        assert count(world, "refused") == 1

    sent(story, max_new_items=5)


def test_a_store_that_cannot_be_written_is_a_503_and_a_problem() -> None:
    async def story(world: World, send: Send) -> None:
        world.item_store.write_bytes(b"no database" * 1_000)
        for path, data, method in (("/v1/items", RAW, None), ("/v1/items/item0/hidden", None, "PUT")):
            reply = await send(path, data, method)
            assert reply.status == 503
            assert reply.headers["retry-after"] == "5"
            assert "the file is no database" in reply.data["error"]
            assert str(world.item_store.parent) not in reply.data["error"]
        assert "items cannot be kept" in (await send("/readyz")).data["problems"]["items"]
        world.item_store.unlink()
        assert (await send("/v1/items", RAW)).status == 200
        assert "items" not in (await send("/readyz")).data["problems"]

    sent(story)


def test_without_an_engine_nothing_is_kept() -> None:
    async def story(world: World, send: Send) -> None:
        world.refused[1] = "changed"
        world.engines[0].die()
        await world.until(lambda: world.supervisor.lane is None)
        for path, data, method in (("/v1/items", RAW, None), ("/v1/items/item0/hidden", None, "PUT")):
            assert (await send(path, data, method)).status == 503
        assert not world.item_store.exists()

    sent(story)


def test_hidden_items_are_no_popular_items_either() -> None:
    async def story(world: World, send: Send) -> None:
        reply = await send("/v1/items/item1/hidden", method="PUT")
        assert ItemHidden.model_validate(reply.data).hidden
        missing = await send("/v1/items/item9/hidden", method="PUT")
        assert (missing.status, missing.data["error"]) == (404, "no item 'item9'")
        world.refused[1] = "changed"
        world.engines[0].die()
        await world.until(lambda: world.supervisor.lane is None)
        answer = (await send("/v1/recommendations/anna?k=3")).data
        assert [each["item_id"] for each in answer["items"]] == ["item0", "item2", "item3"]
        reply = await send("/v1/items/item1/hidden", method="DELETE")  # hidden, so known without an engine
        assert not ItemHidden.model_validate(reply.data).hidden
        answer = (await send("/v1/recommendations/anna?k=3")).data
        assert [each["item_id"] for each in answer["items"]] == ["item0", "item1", "item2"]

    sent(story)


def test_only_an_unknown_item_cannot_be_shown() -> None:
    async def story(world: World, send: Send) -> None:
        assert (await send("/v1/items/item0/hidden", method="DELETE")).status == 200
        assert (await send("/v1/items/item9/hidden", method="DELETE")).status == 404

    sent(story)


def test_items_need_the_token() -> None:
    async def story(world: World, send: Send) -> None:
        for path, data, method in (("/v1/items", RAW, None), ("/v1/items/item0/hidden", None, "PUT")):
            assert (await send(path, data, method)).status == 401
            assert (await send(path, data, method, authorization=f"Bearer {TOKEN}")).status == 200

    sent(story, token=TOKEN)
