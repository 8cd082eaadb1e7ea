"""Stories of requests to a service that answers."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from serving.http.access import Access
from serving.http.app import make_app
from tests.unit.serving.http.service_world import Reply, World, call, in_world

Ask = Callable[..., Awaitable[Reply]]


def asked(story: Callable[[World, Ask], Awaitable[None]], token: str | None = None, **settings: Any) -> None:
    """Tell a story with requests to a service whose version 1 serves."""

    async def inside(world: World) -> None:
        app = make_app(world.service, Access(token))
        await world.serves(1)

        async def ask(path: str, data: Any = None, **options: Any) -> Reply:
            body = options.pop("body", None) or (None if data is None else [json.dumps(data).encode()])
            return await call(app, path, body=body, **options)

        await story(world, ask)

    in_world(inside, **settings)
