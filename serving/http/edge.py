"""The outermost layer of a request: its id, its token, the size of its body, its time, its line in the log."""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from contextlib import nullcontext
from time import perf_counter
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.http.access import FORM, OPEN, Access, is_of_page
from serving.http.errors import ApiError, error_response
from serving.http.metrics import Metrics
from serving.http.tracing import Tracing
from serving.service_settings import ServiceSettings

logger = logging.getLogger("serving.http.access")
REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
BODY_SECONDS = 10.0
"""Longest pause between two parts of a body."""


class Edge:
    """ASGI middleware around the application.

    Args:
        app: the application.
        access: check of the token.
        settings: limits.
        metrics: told each request.
        tracing: makes a span of each request, where traces are wanted.
    """

    def __init__(
        self, app: ASGIApp, access: Access, settings: ServiceSettings, metrics: Metrics, tracing: Tracing | None
    ) -> None:
        self._app, self._access, self._tracing = app, access, tracing
        self._settings, self._metrics = settings, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        request_id = given.decode() if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        trusted = self._access.is_trusted(headers, scope["path"])
        scope["state"] = {**scope.get("state", {}), "request_id": request_id, "trusted": trusted}
        started, status, is_whole = perf_counter(), 0, False

        async def sent(message: Message) -> None:
            nonlocal status, is_whole
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), (b"x-request-id", request_id.encode())]
            await send(message)
            is_whole = message["type"] == "http.response.body" and not message.get("more_body", False)

        try:
            if refused := self._refused(scope, headers, trusted):
                to_form = refused.status == 401 and is_of_page(scope["path"])
                answer = _to_form(headers) if to_form else error_response(refused, request_id)
                await answer(scope, receive, sent)
            else:
                with self._tracing.span(scope, headers, lambda: status) if self._tracing else nullcontext():
                    await self._app(scope, self._limited(receive), sent)
        except Exception:
            logger.exception("request failed", extra={"request_id": request_id})
            if not is_whole:  # half an answer must not look like a whole one
                raise
        finally:
            self._told(scope, request_id, status, perf_counter() - started)

    def _refused(self, scope: Scope, headers: dict[bytes, bytes], trusted: bool) -> ApiError | None:
        """Error of a request that is not looked into."""
        if not trusted and scope["path"] not in OPEN:
            self._metrics.refused.labels("access").inc()
            if self._access.needs_token:
                return ApiError(401, "this service wants `Authorization: Bearer TOKEN`, and got no or another token")
            return ApiError(421, "without a token, this service answers to localhost and loopback addresses only")
        length, most = headers.get(b"content-length", b"0"), self._settings.max_body_bytes
        if length.isdigit() and int(length) > most:
            self._metrics.refused.labels("body").inc()
            return ApiError(413, f"the body has {int(length):,} bytes, wanted at most {most:,}")
        return None

    def _limited(self, receive: Receive) -> Receive:
        """Count the bytes of a body while it comes, whatever its header says."""
        size, whole = 0, False

        async def limited() -> Message:
            nonlocal size, whole
            if whole:  # the wait for the client to go
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), BODY_SECONDS)
            except TimeoutError as error:
                raise HTTPException(408, f"the body paused for more than {BODY_SECONDS:g} s") from error
            size += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if size > self._settings.max_body_bytes:
                self._metrics.refused.labels("body").inc()
                raise HTTPException(413, f"the body has more than {self._settings.max_body_bytes:,} bytes")
            return message

        return limited

    def _told(self, scope: Scope, request_id: str, status: int, seconds: float) -> None:
        """Count a request and log it, by its route: ids of users stay out of the log."""
        route = getattr(scope.get("route"), "path", "other")
        self._metrics.requests.labels(route, str(status)).inc()
        self._metrics.request_seconds.labels(route).observe(seconds)
        told: dict[str, Any] = {"method": scope["method"], "route": route, "status": status}
        told |= {"milliseconds": round(1000 * seconds, 3), "request_id": request_id}
        logger.info("request", extra=told)


def _to_form(headers: dict[bytes, bytes]) -> Response:
    """Send a person to the form that asks for the token; htmx would show it as a part of the page."""
    if b"hx-request" in headers:
        return Response(status_code=401, headers={"HX-Redirect": FORM})
    return Response(status_code=303, headers={"Location": FORM, "Cache-Control": "no-store"})
