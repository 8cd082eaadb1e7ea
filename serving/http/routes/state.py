"""State of the service: its release, its health, its metrics."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST

from serving.http.bodies import Failure, Healthy, Readiness, ReleaseFacts
from serving.http.errors import LOADING_SECONDS, ApiError
from serving.http.service import Service

router = APIRouter(tags=["state"])
LOADING = {"model": Failure, "description": "No release is loaded yet; Retry-After says when to ask again"}
EXPOSITION: dict[str, Any] = {"content": {"text/plain": {"schema": {"type": "string"}}}}
UNREADY = {"model": Readiness, "description": "No engine answers"}


@router.get("/v1/release", response_model=None, responses={200: {"model": ReleaseFacts}, 503: LOADING})
async def release(request: Request) -> Response:
    """Describe the release that serves: version, data, verdict with reasons, metrics."""
    supervisor = request.app.state.service.supervisor
    if supervisor.facts is None:
        raise ApiError(503, "; ".join(supervisor.problems.values()), retry_after=LOADING_SECONDS)
    told = {name: value for name, value in supervisor.facts.items() if name not in ("popular", "schema")}
    return _json(told | {"champion": supervisor.champion, "request_id": request.state.request_id})


@router.get("/healthz", response_model=None, responses={200: {"model": Healthy}})
async def health() -> Response:
    """Say that the process answers."""
    return _json({"healthy": True})


@router.get("/readyz", response_model=None, responses={200: {"model": Readiness}, 503: UNREADY})
async def readiness(request: Request) -> Response:
    """Say whether an engine answers, by 200 or 503, which version, and what is wrong."""
    service: Service = request.app.state.service
    supervisor = service.supervisor
    lane = supervisor.lane
    told: dict[str, Any] = {"ready": lane is not None}
    if request.state.trusted:
        version = lane.version if lane else None
        told |= {"version": version, "champion": supervisor.champion, "problems": service.problems}
        if experiments := request.app.state.experiments:
            told |= {"experiment": experiments.running.name if experiments.running else None}
            told |= {"exploration": experiments.exploring.kind if experiments.exploring else None}
            told |= {"beside": experiments.versions, "problems": service.problems | experiments.problems}
    return _json(told, 200 if lane else 503)


@router.get("/metrics", response_model=None, response_class=Response, responses={200: EXPOSITION})
async def metrics(request: Request) -> Response:
    """Metrics for Prometheus."""
    service: Service = request.app.state.service
    lane = service.supervisor.lane
    service.metrics.load.set(lane.batcher.load if lane else 0)
    return Response(service.metrics.exposition(), media_type=CONTENT_TYPE_LATEST)


def _json(told: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(told), status, media_type="application/json")
