"""Sends logs and spans by the SDK of OpenTelemetry, over HTTP, to the endpoint that it is given."""

import logging
import sys

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


def main(endpoint):
    resource = Resource.create({"service.name": "orders", "host.name": "obelix"})
    spans = TracerProvider(resource=resource)
    spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{endpoint}/v1/traces", compression=Compression.Gzip)))
    logs = LoggerProvider(resource=resource)
    logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(f"{endpoint}/v1/logs")))
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


main(sys.argv[1])
