import gc
import os
from collections.abc import Mapping

from classifier_proxy.endpoint.describe import SageMakerEndpointStatus
from classifier_proxy.endpoint.pause import PauseParameter
from classifier_proxy.event_handler import Handler, Routes, create_event_handler
from classifier_proxy.health import Health
from classifier_proxy.model_response import Response
from classifier_proxy.observability.telemetry import Telemetry
from classifier_proxy.settings import load_settings


def create_handler(environment: Mapping[str, str]) -> Handler:
    """Create the handler of the health function.

    It is a function of its own, so that it responds when a hung endpoint or too many requests
    occupy the proxy's concurrency.

    Args:
        environment: the process's environment variables, the same as the proxy's.

    Raises:
        SettingsError: a variable is missing or wrong.
    """
    settings = load_settings(environment)
    pause = PauseParameter(settings.paused_parameter)
    health = Health(SageMakerEndpointStatus(settings.endpoint_name, pause))
    routes: Routes = {("GET", "/health"): lambda _event, _remaining: Response(health.check())}
    return create_event_handler(routes, Telemetry(settings), settings)


handle = create_handler(os.environ)
gc.freeze()  # as in handler.py
