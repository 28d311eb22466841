import time
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from classifier_proxy.error_table import ErrorAnswer
from classifier_proxy.errors import (
    EndpointAccessDeniedError,
    RequestError,
    RouteNotFoundError,
)
from classifier_proxy.schemas import ClassificationRequest
from classifier_proxy.service import Endpoint
from classifier_proxy.settings import Settings


class Telemetry:
    """The function's structured logs and, in CloudWatch's embedded format, its metrics.

    Metrics, all with the one dimension `service`: Predictions (200), RejectedRequests (4xx),
    FailedRequests (5xx) and EndpointAccessDenied (counts), EndpointLatency (milliseconds).
    Which error it was is in the log: a dimension of it would cost a metric for each code.

    Args:
        settings: names and log level.
    """

    def __init__(self, settings: Settings) -> None:
        self.logger = Logger(service=settings.service_name, level=settings.log_level)
        self.metrics = Metrics(service=settings.service_name, namespace=settings.metrics_namespace)

    def start_request(self, request_id: str) -> None:
        """Put the request's id into every line of its log.

        Args:
            request_id: the id that the caller is given too.
        """
        self.logger.set_correlation_id(request_id)

    def record_success(self) -> None:
        """Count and log a request that was answered with predictions."""
        self._count("Predictions")
        self.logger.info("request answered", extra={"status": 200})

    def record_failure(self, error: Exception, answer: ErrorAnswer) -> None:
        """Count and log a request that was answered with an error.

        Args:
            error: what was raised; its stack trace is logged where the fault is not the caller's.
            answer: what the caller is told.
        """
        fields = {"status": answer.status, "error_code": answer.code}
        self._count("RejectedRequests" if answer.status < 500 else "FailedRequests")
        if isinstance(error, EndpointAccessDeniedError):
            self._count("EndpointAccessDenied")
        if isinstance(error, RequestError | RouteNotFoundError):
            self.logger.info("request rejected", extra=fields)
        else:
            self.logger.error("request failed", exc_info=error, extra=fields)

    def end_request(self) -> None:
        """Write the metrics of the request."""
        self.metrics.flush_metrics()

    def _count(self, name: str) -> None:
        self.metrics.add_metric(name, MetricUnit.Count, 1)


class TimedEndpoint:
    """An endpoint whose latency is measured, of failed calls too; satisfies `service.Endpoint`.

    Args:
        endpoint: the endpoint that does the work.
        telemetry: where the measurements go.
    """

    def __init__(self, endpoint: Endpoint, telemetry: Telemetry) -> None:
        self._endpoint = endpoint
        self._telemetry = telemetry

    @property
    def longest_call_seconds(self) -> float:
        """The longest that `invoke` takes before it gives up, every attempt included."""
        return self._endpoint.longest_call_seconds

    def invoke(self, request: ClassificationRequest) -> bytes:
        """Pass the call on and measure it.

        Args:
            request: what to classify.

        Returns:
            The body of the answer, unchecked.

        Raises:
            ProxyError: what the endpoint raises.
        """
        started = time.perf_counter()
        try:
            return self._endpoint.invoke(request)
        finally:
            elapsed_milliseconds = (time.perf_counter() - started) * 1000
            self._telemetry.metrics.add_metric(
                "EndpointLatency", MetricUnit.Milliseconds, round(elapsed_milliseconds, 3)
            )
            fields: dict[str, Any] = {
                "media_type": request.media_type,
                "picture_bytes": len(request.image),
                "endpoint_latency_ms": round(elapsed_milliseconds, 3),
            }
            self._telemetry.logger.append_keys(**fields)
