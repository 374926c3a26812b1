"""Sends logs and spans by the SDK of OpenTelemetry, over `http` or `grpc`, to the endpoint that it is given."""

import logging
import sys

import grpc
from opentelemetry.exporter.otlp.proto import grpc as by_grpc, http as by_http
from opentelemetry.exporter.otlp.proto.grpc import _log_exporter, trace_exporter
from opentelemetry.exporter.otlp.proto.http import _log_exporter, trace_exporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


def exporters(protocol, endpoint):
    """One for spans, which compresses them, and one for logs."""
    if protocol == "grpc":
        spans = by_grpc.trace_exporter.OTLPSpanExporter(endpoint, compression=grpc.Compression.Gzip)
        return spans, by_grpc._log_exporter.OTLPLogExporter(endpoint)
    gzip = by_http.Compression.Gzip
    spans = by_http.trace_exporter.OTLPSpanExporter(f"{endpoint}/v1/traces", compression=gzip)
    return spans, by_http._log_exporter.OTLPLogExporter(f"{endpoint}/v1/logs")


def main(protocol, endpoint):
    span_exporter, log_exporter = exporters(protocol, endpoint)
    resource = Resource.create({"service.name": "orders", "host.name": "obelix"})
    spans = TracerProvider(resource=resource)
    spans.add_span_processor(BatchSpanProcessor(span_exporter))
    logs = LoggerProvider(resource=resource)
    logs.add_log_record_processor(BatchLogRecordProcessor(log_exporter))
    logger = logging.getLogger("orders.load")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(LoggingHandler(logger_provider=logs))
    tracer = spans.get_tracer("orders")
    with tracer.start_as_current_span("job", attributes={"user": "ada"}):
        logger.info("it begins")
        with tracer.start_as_current_span("read", attributes={"rows": 500, "ratio": 0.5}):
            logger.warning("500 rows", extra={"rows": 500})
        try:
            with tracer.start_as_current_span("write"):
                raise ValueError("no room")
        except ValueError:
            logger.exception("it failed")
    spans.shutdown()
    logs.shutdown()


main(*sys.argv[1:])
