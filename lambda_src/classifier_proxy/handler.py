import gc
import os
from collections.abc import Collection, Mapping
from functools import cache
from typing import TYPE_CHECKING

from classifier_proxy.circuit_breaker import CircuitBreaker
from classifier_proxy.cold_starts import ColdStarts
from classifier_proxy.endpoint.invoke import SageMakerEndpoint
from classifier_proxy.endpoint.pause import PauseParameter
from classifier_proxy.event_handler import Handler, create_event_handler, predict_routes
from classifier_proxy.observability.instrument import (
    InstrumentedEndpoint,
    InstrumentedUploads,
    measure_fetches,
)
from classifier_proxy.observability.telemetry import Telemetry
from classifier_proxy.observability.xray import create_tracer
from classifier_proxy.requests import FetchImage
from classifier_proxy.settings import UploadSettings, load_settings
from classifier_proxy.uploads.bucket import UploadBucket
from classifier_proxy.uploads.protocol import Uploads

if TYPE_CHECKING:
    from classifier_proxy.image_url.fetch import ImageFetcher


def create_handler(environment: Mapping[str, str]) -> Handler:
    """Create the handler of the proxy function.

    Args:
        environment: the process's environment variables.

    Raises:
        SettingsError: a variable is missing or wrong.
    """
    settings = load_settings(environment)
    telemetry = Telemetry(settings)
    endpoint = InstrumentedEndpoint(
        SageMakerEndpoint(
            settings.endpoint_name,
            PauseParameter(settings.paused_parameter),
            settings.endpoint_read_timeout_seconds,
        ),
        telemetry,
        create_tracer(settings.endpoint_name, environment),
    )
    breaker = CircuitBreaker(
        telemetry.record_breaker_opened,
        cold_starts=ColdStarts() if settings.endpoint_mode == "serverless" else None,
    )
    fetch_image = _create_fetch_image(settings.url_allowed_hosts, telemetry)
    uploads = _create_uploads(settings.uploads, telemetry)
    routes = predict_routes(endpoint, breaker, fetch_image, uploads)
    return create_event_handler(routes, telemetry, settings)


def _create_fetch_image(allowed_hosts: Collection[str], telemetry: Telemetry) -> FetchImage | None:
    if not allowed_hosts:
        return None

    @cache
    def fetcher() -> "ImageFetcher":
        # Imported here, so that only an image by URL waits for it.
        from classifier_proxy.image_url.fetch import ImageFetcher

        return ImageFetcher(allowed_hosts)

    return measure_fetches(lambda url: fetcher().fetch(url), telemetry)


def _create_uploads(settings: UploadSettings | None, telemetry: Telemetry) -> Uploads | None:
    if settings is None:
        return None
    bucket = UploadBucket(settings.bucket, settings.max_bytes, settings.endpoint_url)
    return InstrumentedUploads(bucket, telemetry)


handle = create_handler(os.environ)
# Imported modules never become garbage. Without this, the garbage collector scans them during one
# of the first requests, which takes longer than the rest of that request.
gc.freeze()
