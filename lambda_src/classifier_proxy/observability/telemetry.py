import time
from typing import Any

from aws_lambda_powertools import Logger

from classifier_proxy.error_table import ErrorAnswer
from classifier_proxy.errors import (
    EndpointAccessDeniedError,
    EndpointNotInServiceError,
    RequestError,
    RouteNotFoundError,
)
from classifier_proxy.model_response import Answer
from classifier_proxy.observability.emf import MetricLine
from classifier_proxy.requests import ClassificationRequest
from classifier_proxy.settings import Settings

NAMED_CLASSES = 20
"""A predicted class is a metric of its own only below this index; all others count as "other".
Which classes are frequent is not known to one of many environments, and each costs a metric."""

METRIC_BY_MEASUREMENT = {
    "entropy": "PredictionEntropy",
    "brightness": "PictureBrightness",
    "sharpness": "PictureSharpness",
}


class Telemetry:
    """The function's structured logs and, in CloudWatch's embedded format, its metrics.

    Metrics, by their dimensions:
        service: Predictions (200), RejectedRequests (4xx), FailedRequests (5xx) and
            EndpointAccessDenied (counts); RequestLatency, EndpointLatency and, of a picture that
            was named by its address, UrlFetchLatency (milliseconds).
        service, model: TopProbability (0 to 1; not where logits of some classes alone were
            requested), PictureBytes and PicturePixels (width times
            height) of the answered requests, and what the container measured:
            PredictionEntropy (nats, over all classes), PictureBrightness and PictureSharpness
            (0 to 1, of what the network saw).
        service, model, predicted_class: PredictedClass (count).

    Which error it was and what was predicted is in the log too. A check of the health counts
    nothing. CloudWatch bills a metric for each combination of its dimensions' values: those of
    the first line once, those of the second once a model, the last up to 21 times a model. What a
    container does not measure costs nothing.

    Args:
        settings: names and log level.
    """

    def __init__(self, settings: Settings) -> None:
        self.logger = Logger(service=settings.service_name, level=settings.log_level)
        self._namespace = settings.metrics_namespace
        self._service = {"service": settings.service_name}
        self._line = MetricLine(self._namespace)
        self._started = 0.0
        self._picture_metrics: dict[str, tuple[int, str]] = {}

    def start_request(self, request_id: str) -> None:
        """Begin a request, and put its id into every line of its log.

        Args:
            request_id: the id that the caller is given too.
        """
        self._started = time.perf_counter()
        self._line = MetricLine(self._namespace)
        self.logger.set_correlation_id(request_id)

    def record_call(self, request: ClassificationRequest, elapsed_ms: float) -> None:
        """Measure one call of the endpoint.

        Args:
            request: what it was asked.
            elapsed_ms: how long it took, attempts and failures included.
        """
        fields = {"media_type": request.media_type, "picture_bytes": len(request.image)}
        self._picture_metrics = {"PictureBytes": (len(request.image), "Bytes")}
        if request.size is not None:
            width, height = request.size
            fields |= {"picture_width": width, "picture_height": height}
            self._picture_metrics["PicturePixels"] = (width * height, "Count")
        self._line.add("EndpointLatency", elapsed_ms, "Milliseconds", self._service)
        self.logger.append_keys(**fields, endpoint_latency_ms=elapsed_ms)

    def record_fetch(self, elapsed_ms: float) -> None:
        """Measure one fetch of a picture from its address.

        Args:
            elapsed_ms: how long it took; of a fetch that failed too.
        """
        self._line.add("UrlFetchLatency", elapsed_ms, "Milliseconds", self._service)
        self.logger.append_keys(url_fetch_latency_ms=elapsed_ms)

    def record_success(self, answer: Answer) -> None:
        """Count and log a request that was answered with 200.

        Args:
            answer: what it was answered with.
        """
        fields: dict[str, Any] = {"status": 200}
        if answer.top_prediction is not None:
            fields |= self._record_prediction(answer, answer.top_prediction)
        if answer.invalid_measurements:
            fields["invalid_measurements"] = answer.invalid_measurements
        self.logger.info("request answered", extra=fields)

    def record_failure(self, error: Exception, answer: ErrorAnswer) -> None:
        """Count and log a request that was answered with an error.

        Args:
            error: what was raised; its stack trace is logged where the fault is not the caller's.
            answer: what the caller is told.
        """
        fields = {"status": answer.status, "error_code": answer.code}
        if isinstance(error, EndpointNotInServiceError):
            self.logger.warning("endpoint not in service", exc_info=error, extra=fields)
            return
        self._count("RejectedRequests" if answer.status < 500 else "FailedRequests")
        if isinstance(error, EndpointAccessDeniedError):
            self._count("EndpointAccessDenied")
        fields |= self._record_latency()
        if isinstance(error, RequestError | RouteNotFoundError):
            self.logger.info("request rejected", extra=fields)
        else:
            self.logger.error("request failed", exc_info=error, extra=fields)

    def end_request(self) -> None:
        """Write the metrics of the request."""
        line = self._line.render(int(time.time() * 1000))
        if line is not None:
            print(line, flush=True)

    def _record_prediction(self, answer: Answer, best: dict[str, Any]) -> dict[str, Any]:
        model = answer.body["model"]
        by_model = {**self._service, "model": model["name"]}
        predicted_class = best["label"] if best["index"] < NAMED_CLASSES else "other"
        by_class = {**by_model, "predicted_class": predicted_class}
        self._count("Predictions")
        known = {}
        if answer.top_probability is not None:
            self._line.add("TopProbability", answer.top_probability, "None", by_model)
            known["top_probability"] = answer.top_probability
        for name, (amount, unit) in self._picture_metrics.items():
            self._line.add(name, amount, unit, by_model)
        self._line.add("PredictedClass", 1, "Count", by_class)
        for name, value in answer.measurements.items():
            self._line.add(METRIC_BY_MEASUREMENT[name], value, "None", by_model)
        return {
            "model": model,
            "predicted_class": best["label"],
            **known,
            **answer.measurements,
            **self._record_latency(),
        }

    def _record_latency(self) -> dict[str, float]:
        elapsed_ms = round((time.perf_counter() - self._started) * 1000, 3)
        self._line.add("RequestLatency", elapsed_ms, "Milliseconds", self._service)
        return {"latency_ms": elapsed_ms}

    def _count(self, name: str) -> None:
        self._line.add(name, 1, "Count", self._service)
