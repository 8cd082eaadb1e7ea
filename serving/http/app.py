"""The application: routes and errors around one service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib import metadata
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

from serving.http import errors
from serving.http.access import Access
from serving.http.bodies import FAILURES_OF_ANY
from serving.http.edge import Edge
from serving.http.experiments.experiments import Experiments
from serving.http.mover import ChampionMover
from serving.http.page import entry, move
from serving.http.page import router as page
from serving.http.page.versions import VersionsReader
from serving.http.routes import events, items, new_items, recommendations, state
from serving.http.second_engine import SecondEngine
from serving.http.service import Service
from serving.http.tracing import Tracing

DESCRIPTION = "Recommendations of the release that passed the gate, from one version at a time."


def make_app(
    service: Service,
    access: Access,
    tracing: Tracing | None = None,
    versions: VersionsReader | None = None,
    second: SecondEngine | None = None,
    experiments: Experiments | None = None,
    mover: ChampionMover | None = None,
) -> ASGIApp:
    """Make the application of a service.

    Args:
        service: the service; its supervisor and its consumer run as long as the application.
        access: check of the token.
        tracing: makes a span of each request, where traces are wanted.
        versions: reader of the versions that the page compares.
        second: engine of the version that the page shows beside the one that serves.
        experiments: experiments of the service.
        mover: moves the champion from the page; None for a page without that.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        running = [asyncio.create_task(service.supervisor.run())]
        if service.consumer:
            running.append(asyncio.create_task(service.consumer.run()))
        if experiments:
            running.append(asyncio.create_task(experiments.run()))
        yield
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        if experiments:
            await experiments.close()
        await service.supervisor.close()
        if second:
            await second.close()
        service.events.close()
        service.items.close()
        if tracing:
            tracing.close()

    # Their pages would load scripts from other sites; `/openapi.json` describes all the same.
    app = FastAPI(
        title="Gatehouse",
        version=metadata.version("gatehouse"),
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        responses=FAILURES_OF_ANY,
    )
    app.state.service, app.state.access, app.state.versions, app.state.second = service, access, versions, second
    app.state.experiments, app.state.mover = experiments, mover
    routers = [each.router for each in (recommendations, items, new_items, events, state, entry, move, page)]
    for router in routers:
        app.include_router(router)
    app.openapi = partial(_openapi, app, service)  # type: ignore[method-assign]
    errors.install(app, [route for router in routers for route in router.routes])
    return Edge(app, access, service.settings, service.metrics, tracing)


def _openapi(app: FastAPI, service: Service) -> dict[str, Any]:
    """Description of the service, with what the release that serves knows of its items."""
    described = FastAPI.openapi(app)
    new_items.describe(described, service)
    return described
