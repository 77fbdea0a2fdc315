"""Traces of requests and handshakes for OpenTelemetry, where an endpoint is set; needs the extra `otel`.

Messages of a stream make no spans, which would cost more than the messages. Their durations are in the metrics.
"""

from collections.abc import Callable

from fastapi import FastAPI

from skiprnn_service.settings import Settings

_NOT_TRACED = "/v2/health,/metrics,/page"


def instrument(app: FastAPI, settings: Settings) -> Callable[[], None]:
    """Trace an application that has not started, if `otlp_endpoint` is set.

    Returns:
        a function to call at shutdown, which sends the remaining spans.

    Raises:
        ValueError: OpenTelemetry is not installed.
    """
    if settings.otlp_endpoint is None:
        return lambda: None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise ValueError(f"otlp_endpoint: needs the extra otel, which is not installed: {error}") from error
    provider = TracerProvider(resource=Resource.create({"service.name": "skiprnn"}))
    endpoint = settings.otlp_endpoint.rstrip("/") + "/v1/traces"
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint, timeout=5)))
    FastAPIInstrumentor.instrument_app(
        app, tracer_provider=provider, excluded_urls=_NOT_TRACED, exclude_spans=["receive", "send"]
    )
    return provider.shutdown
