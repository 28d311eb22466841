import json
import time
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools import Logger

from classifier_proxy.errors import (
    EndpointAccessDeniedError,
    EndpointNotInServiceError,
    EndpointNotRespondingError,
    EndpointPausedError,
    EndpointStartingError,
    RequestError,
    RouteNotFoundError,
    to_proxy_error,
)
from classifier_proxy.model_response import Response
from classifier_proxy.observability.emf import MetricLine
from classifier_proxy.requests import ClassificationRequest
from classifier_proxy.settings import Settings

MAX_LOGGED_CHARACTERS = 16_384
"""Longer texts are shortened in the log: labels and error messages come from the endpoint, whose
responses may have 6 MB."""

BASIC_METRICS = frozenset({"EndpointAccessDenied"})
"""The metrics that METRICS=basic publishes: those of the stage's alarms and dashboard. AWS measures
requests, errors and latencies itself."""

METRIC_BY_MEASUREMENT = {
    "entropy": "PredictionEntropy",
    "brightness": "ImageBrightness",
    "sharpness": "ImageSharpness",
}


class Telemetry:
    """The function's structured log and its metrics, which `docs/metrics.md` lists.

    Each request has one log line and, except for health checks, one metric line.
    """

    def __init__(self, settings: Settings) -> None:
        self.logger = Logger(
            service=settings.service_name,
            level=settings.log_level,
            json_serializer=_serialize,
        )
        self._namespace = settings.metrics_namespace
        self._publishes_all = settings.metrics == "full"
        self._counted_classes = settings.counted_classes
        self._service = {"service": settings.service_name}
        self._line = MetricLine(self._namespace)
        self._started = 0.0
        self.request_id = ""
        self._image_metrics: dict[str, tuple[int, str]] = {}

    def start_request(self, request_id: str) -> None:
        """Start the clock, and add the request's id to each log line."""
        self._started = time.perf_counter()
        self.request_id = request_id
        self._line = MetricLine(self._namespace)
        self.logger.set_correlation_id(request_id)

    def record_invocation(self, request: ClassificationRequest, elapsed_ms: float) -> None:
        """Record one invocation of the endpoint, all attempts included, failed or not."""
        fields = {"media_type": request.media_type, "image_bytes": len(request.image)}
        self._image_metrics = {"ImageBytes": (len(request.image), "Bytes")}
        if request.size is not None:
            width, height = request.size
            fields |= {"image_width": width, "image_height": height}
            self._image_metrics["ImagePixels"] = (width * height, "Count")
        self._add("EndpointLatency", elapsed_ms, "Milliseconds", self._service)
        self.logger.append_keys(**fields, endpoint_latency_ms=elapsed_ms)

    def record_fetch(self, elapsed_ms: float) -> None:
        """Record one fetch of an image by URL, failed or not."""
        self._add("UrlFetchLatency", elapsed_ms, "Milliseconds", self._service)
        self.logger.append_keys(url_fetch_latency_ms=elapsed_ms)

    def record_upload_read(self, elapsed_ms: float) -> None:
        """Log the time of one read of an uploaded image, failed or not."""
        self.logger.append_keys(upload_read_latency_ms=elapsed_ms)

    def record_upload_kept(self, error: Exception) -> None:
        """Log that an uploaded image was not deleted after its use."""
        self.logger.warning("uploaded image not deleted", exc_info=error)

    def record_breaker_opened(self, seconds: float) -> None:
        """Count and log that the circuit breaker stops invocations of the endpoint."""
        self._count("CircuitBreakerOpened")
        self.logger.warning(
            "circuit breaker opened: the endpoint did not respond",
            extra={"open_seconds": round(seconds, 3)},
        )

    def record_success(self, response: Response) -> None:
        """Count and log a request with a 200."""
        fields: dict[str, Any] = {"status": 200}
        if response.top_prediction is not None:
            fields |= self._record_prediction(response, response.top_prediction)
        if response.invalid_measurements:
            fields["invalid_measurements"] = response.invalid_measurements
        self.logger.info("request succeeded", extra=fields)

    def record_failure(self, error: Exception) -> None:
        """Count and log a failed request, with the stack trace unless the request is invalid."""
        public = to_proxy_error(error)
        fields = {"status": public.status, "error_code": public.code}
        if isinstance(error, EndpointNotInServiceError):
            self.logger.warning("endpoint not in service", exc_info=error, extra=fields)
            return
        if isinstance(error, EndpointPausedError):
            # Neither counted as a failure nor with a stack trace: there may be many.
            self.logger.warning("request refused: the stage is paused", extra=fields)
            return
        self._count("RejectedRequests" if public.status < 500 else "FailedRequests")
        if isinstance(error, EndpointAccessDeniedError):
            self._count("EndpointAccessDenied")
        fields |= self._record_latency()
        if isinstance(error, RequestError | RouteNotFoundError):
            self.logger.info("request rejected", extra=fields)
        elif isinstance(error, EndpointNotRespondingError):
            self._count("CircuitBreakerRefusals")
            # Without a stack trace: there may be many.
            self.logger.warning("request refused: circuit breaker open", extra=fields)
        elif isinstance(error, EndpointStartingError):
            # Expected after a quiet time, so without a stack trace.
            self.logger.warning("request failed: a container is starting", extra=fields)
        else:
            self.logger.error("request failed", exc_info=error, extra=fields)

    def end_request(self) -> None:
        """Write the metrics of the request."""
        line = self._line.render(int(time.time() * 1000))
        if line is not None:
            print(line, flush=True)

    def _record_prediction(self, response: Response, top: dict[str, Any]) -> dict[str, Any]:
        model = response.body["model"]
        by_model = {**self._service, "model": model["name"]}
        self._count("Predictions")
        known = {}
        if response.top_probability is not None:
            self._add("TopProbability", response.top_probability, "None", by_model)
            known["top_probability"] = response.top_probability
        for name, (amount, unit) in self._image_metrics.items():
            self._add(name, amount, unit, by_model)
        if self._counted_classes:
            predicted_class = top["label"] if top["label"] in self._counted_classes else "other"
            by_class = {**by_model, "predicted_class": predicted_class}
            self._add("PredictedClass", 1, "Count", by_class)
        for name, value in response.measurements.items():
            self._add(METRIC_BY_MEASUREMENT[name], value, "None", by_model)
        return {
            "model": model,
            "predicted_class": top["label"],
            **known,
            **response.measurements,
            **self._record_latency(),
        }

    def _record_latency(self) -> dict[str, float]:
        elapsed_ms = round((time.perf_counter() - self._started) * 1000, 3)
        self._add("RequestLatency", elapsed_ms, "Milliseconds", self._service)
        return {"latency_ms": elapsed_ms}

    def _count(self, name: str) -> None:
        self._add(name, 1, "Count", self._service)

    def _add(self, name: str, value: float, unit: str, dimensions: Mapping[str, str]) -> None:
        if self._publishes_all or name in BASIC_METRICS:
            self._line.add(name, value, unit, dimensions)


def _serialize(record: dict[str, Any]) -> str:
    # In ASCII: a text with half a surrogate pair cannot be written otherwise.
    return json.dumps(_shortened(record), default=str, separators=(",", ":"))


def _shortened(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shortened(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_shortened(each) for each in value]
    if isinstance(value, str) and len(value) > MAX_LOGGED_CHARACTERS:
        # Both ends: a stack trace starts with its cause and ends with the proxy's own error.
        half = MAX_LOGGED_CHARACTERS // 2
        return f"{value[:half]} ... [{len(value)} characters] ... {value[-half:]}"
    return value
