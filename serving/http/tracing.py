"""OpenTelemetry traces, where an endpoint is set. Imported packages come with `gatehouse[traces]`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class Tracing:
    """Spans of requests, as children of the caller's where it sends a traceparent.

    Args:
        exporter: where the spans go.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self._provider = TracerProvider(resource=Resource.create({"service.name": "gatehouse"}))
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("gatehouse")

    @contextmanager
    def span(
        self, scope: Mapping[str, Any], headers: Mapping[bytes, bytes], status: Callable[[], int]
    ) -> Iterator[None]:
        """Trace a block as one request.

        Args:
            scope: ASGI scope of the request.
            headers: its headers.
            status: returns the HTTP status at the end.
        """
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        carrier = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()}
        parent = TraceContextTextMapPropagator().extract(carrier)
        with self._tracer.start_as_current_span(scope["method"], context=parent, kind=SpanKind.SERVER) as span:
            yield
            route = getattr(scope.get("route"), "path", "other")
            span.update_name(f"{scope['method']} {route}")
            span.set_attribute("http.route", route)
            span.set_attribute("http.response.status_code", status())
            span.set_attribute("gatehouse.request_id", scope["state"]["request_id"])
            if (told := scope["state"].get("answered")) is not None:
                stages = {f"gatehouse.{stage}_ms": value for stage, value in told.timings.items()}
                span.set_attributes({"gatehouse.version": told.version, **stages})

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


def tracing_of(environ: Mapping[str, str]) -> Tracing | None:
    """Tracing to the endpoint of the environment; None without one.

    ValueError if the exporter is not installed.
    """
    if not any(environ.get(name) for name in ENDPOINTS):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise ValueError(
            f"{' or '.join(ENDPOINTS)} is set, and the exporter of traces is not installed: `pip install"
            " 'gatehouse[traces]'`, or unset it"
        ) from error
    return Tracing(OTLPSpanExporter())
