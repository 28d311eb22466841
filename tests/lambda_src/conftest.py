import importlib
import json
import os
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pytest

from tests.lambda_src.events import LambdaContext, proxy_event
from tests.lambda_src.images import jpeg
from tests.lambda_src.stand_in import Behaviour, SageMakerRuntime, respond

JPEG = jpeg(640, 480)


@pytest.fixture
def runtime() -> Iterator[SageMakerRuntime]:
    stand_in = SageMakerRuntime()
    yield stand_in
    stand_in.close()


@pytest.fixture
def control_plane() -> Iterator[SageMakerRuntime]:
    """DescribeEndpoint's side: JSON that is posted too, so the same stand-in speaks it."""
    stand_in = SageMakerRuntime()
    stand_in.script = [respond(200, {"EndpointStatus": "InService"}, "application/x-amz-json-1.1")]
    yield stand_in
    stand_in.close()


@pytest.fixture
def parameter_store() -> Iterator[SageMakerRuntime]:
    """Systems Manager's side: the stage is not paused."""
    stand_in = SageMakerRuntime()
    stand_in.script = [paused("false")]
    yield stand_in
    stand_in.close()


def paused(value: object) -> Behaviour:
    """Respond to GetParameter with a value."""
    return respond(200, {"Parameter": {"Value": value}}, "application/x-amz-json-1.1")


@pytest.fixture
def environment(
    monkeypatch: pytest.MonkeyPatch,
    runtime: SageMakerRuntime,
    control_plane: SageMakerRuntime,
    parameter_store: SageMakerRuntime,
) -> dict[str, str]:
    """Only what Lambda sets, and the stand-in as the only AWS there is."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "POWERTOOLS_", "SSL_CERT_")) or name.upper().endswith(
            ("_CA_BUNDLE", "_PROXY")
        ):
            monkeypatch.delenv(name)
    variables = {
        "AWS_ACCESS_KEY_ID": "AKIAMADEUP",
        "AWS_SECRET_ACCESS_KEY": "made-up",
        "AWS_SESSION_TOKEN": "made-up-too",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": runtime.url,
        "AWS_ENDPOINT_URL_SAGEMAKER": control_plane.url,
        "AWS_ENDPOINT_URL_SSM": parameter_store.url,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "ENDPOINT_NAME": "whippet-test",
        "ENDPOINT_READ_TIMEOUT_SECONDS": "4",
        "PAUSED_PARAMETER": "/whippet/test/paused",
        "LOG_LEVEL": "INFO",
        # Powertools keeps a logger for each name, with the standard output of its first test.
        "POWERTOOLS_SERVICE_NAME": f"proxy-{uuid.uuid4()}",
        "POWERTOOLS_METRICS_NAMESPACE": "Whippet",
        "METRICS": "full",
        "COUNTED_CLASSES": '["tabby cat"]',
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


@dataclass(frozen=True)
class Response:
    status: int
    headers: dict[str, str]
    body: dict[str, Any]


class Proxy:
    """A function as Lambda calls it: the proxy, or another handler of its bundle.

    It starts with its first request, within the test: its logger keeps the standard output that
    it finds then, and pytest's is another one while fixtures are set up.
    """

    def __init__(self, module: str = "classifier_proxy.handler") -> None:
        self.context = LambdaContext()
        self._module = module

    @cached_property
    def handle(self) -> Callable[[dict[str, Any], Any], dict[str, Any]]:
        sys.modules.pop(self._module, None)
        handler: Callable[[dict[str, Any], Any], dict[str, Any]] = importlib.import_module(
            self._module
        ).handle
        return handler

    def call(self, body: bytes = JPEG, **parts: Any) -> Response:
        return self.call_event(proxy_event(body, **parts))

    def call_event(self, event: dict[str, Any]) -> Response:
        response = self.handle(event, self.context)
        assert set(response) == {"statusCode", "headers", "body", "isBase64Encoded"}
        assert response["isBase64Encoded"] is False
        return Response(response["statusCode"], response["headers"], json.loads(response["body"]))


@pytest.fixture
def proxy(environment: dict[str, str]) -> Proxy:  # noqa: ARG001 - it is the process's
    return Proxy()


@pytest.fixture
def impatient_proxy(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Proxy:
    """The same function with a read timeout that a test can wait for."""
    monkeypatch.setenv("ENDPOINT_READ_TIMEOUT_SECONDS", "0.2")
    return proxy


@pytest.fixture
def health_function(environment: dict[str, str]) -> Proxy:  # noqa: ARG001 - it is the process's
    """The function of `GET /health`."""
    return Proxy("classifier_proxy.health_handler")
