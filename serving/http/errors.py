"""Errors of the service: one JSON form, and nothing of the inside."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match, Route

from serving.http.batcher import OverloadedError

BUSY_SECONDS = 1
"""Retry-After of an overloaded service."""
LOADING_SECONDS = 5
"""Retry-After while an engine starts."""
SHOWN = 100


class ApiError(Exception):
    """Answer other than 200.

    Args:
        status: HTTP status.
        message: what was got and wanted.
        retry_after: seconds after which the client may try again.
        details: further fields of the answer.
    """

    def __init__(self, status: int, message: str, *, retry_after: float | None = None, **details: Any) -> None:
        super().__init__(message)
        self.status, self.message, self.retry_after, self.details = status, message, retry_after, details


def error_response(error: ApiError, request_id: str) -> Response:
    """Response of an error."""
    headers = {} if error.retry_after is None else {"Retry-After": str(math.ceil(error.retry_after))}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    body = {"error": error.message, **error.details, "request_id": request_id}
    return Response(orjson.dumps(body), error.status, headers, "application/json")


def install(app: FastAPI, routes: Sequence[BaseRoute]) -> None:
    """Give every error of an application the one form.

    Args:
        app: the application.
        routes: its routes.
    """

    def answer(request: Request, error: ApiError) -> Response:
        return error_response(error, request.scope["state"]["request_id"])

    @app.exception_handler(ApiError)
    async def own(request: Request, error: ApiError) -> Response:
        return answer(request, error)

    @app.exception_handler(OverloadedError)
    async def overloaded(request: Request, error: OverloadedError) -> Response:
        request.app.state.service.metrics.refused.labels("overload").inc()
        return answer(request, ApiError(503, f"too many requests: {error}", retry_after=BUSY_SECONDS))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return answer(request, ApiError(422, "; ".join(map(_problem, error.errors()[:5]))))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        told = answer(request, ApiError(error.status_code, str(error.detail)))
        if error.status_code == 405:
            told.headers["Allow"] = _allowed(request, routes)
        return told

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> Response:
        return answer(request, ApiError(500, "the service failed; its log has the request id"))


def _allowed(request: Request, routes: Sequence[BaseRoute]) -> str:
    """Methods of all routes of a path; Starlette's own header has those of the first."""
    matching = (each for each in routes if isinstance(each, Route) and each.matches(request.scope)[0] is not Match.NONE)
    return ", ".join(sorted({method for route in matching for method in route.methods or ()}))


def _problem(found: Mapping[str, Any]) -> str:
    """Field, what was wanted, and what was got."""
    where = ".".join(str(part) for part in found["loc"][1:]) or found["loc"][0]
    got = repr(found.get("input"))
    return f"{where}: {found['msg']}, got {got if len(got) <= SHOWN else got[:SHOWN] + '…'}"
