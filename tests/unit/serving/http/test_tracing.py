"""Spans of requests, where an endpoint is set."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from serving.http.access import Access
from serving.http.app import make_app
from serving.http.tracing import Tracing, tracing_of
from tests.unit.serving.http.service_world import World, call, in_world

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_a_request_is_a_span_of_its_caller_with_version_and_stages() -> None:
    exporter = InMemorySpanExporter()
    tracing = Tracing(exporter)

    async def story(world: World) -> None:
        app = make_app(world.service, Access(None), tracing)
        await world.serves(1)
        headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "x-request-id": "me-1"}
        await call(app, "/v1/recommendations/anna", headers=headers)
        await call(app, "/v1/recommendations/anna?k=0")

    in_world(story)
    tracing.close()
    first, second = exporter.get_finished_spans()
    assert first.name == second.name == "GET /v1/recommendations/{user_id:id}"
    assert (f"{first.context.trace_id:032x}", f"{first.parent.span_id:016x}") == (TRACE, PARENT)  # type: ignore[union-attr]
    assert first.attributes == {
        "http.route": "/v1/recommendations/{user_id:id}",
        "http.response.status_code": 200,
        "gatehouse.request_id": "me-1",
        "gatehouse.version": 1,
        "gatehouse.queue_ms": first.attributes["gatehouse.queue_ms"],
        "gatehouse.engine_ms": 1,
    }
    assert second.parent is None
    assert second.attributes["http.response.status_code"] == 422
    assert "gatehouse.version" not in second.attributes


def test_without_an_endpoint_nothing_is_traced_and_without_the_exporter_the_setting_is_refused() -> None:
    assert tracing_of({}) is None
    with pytest.raises(ValueError, match="gatehouse\\[traces\\]"):
        tracing_of({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"})
