"""What a person reads if AWS cannot be reached or refuses the credentials."""

import os
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.tools.run_module import run_module

_ERROR = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error>
<Type>Sender</Type><Code>{code}</Code><Message>Refused.</Message></Error></ErrorResponse>"""


class RefusingService(BaseHTTPRequestHandler):
    """Responds with the error whose code is the request's path."""

    def do_POST(self) -> None:
        body = _ERROR.format(code=self.path.strip("/")).encode()
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), RefusingService) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def closed_address() -> Iterator[str]:
    """An address at which every connection is refused."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


def message_of(**variables: str) -> str:
    """Run a tool that calls AWS; return its message."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("AWS_") and not name.lower().endswith("_proxy")
    }
    credentials = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}
    settings = {"AWS_REGION": "eu-west-1", "AWS_MAX_ATTEMPTS": "1", "AWS_CONFIG_FILE": os.devnull}
    ended = run_module(
        "tools.account.api_key", "--stage", "dev",
        environment=inherited | credentials | settings | variables,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (1, "")
    return ended.stderr


def test_a_dead_proxy_is_named_with_its_variable(closed_address: str) -> None:
    message = message_of(HTTPS_PROXY=closed_address)
    assert message.startswith(f"The proxy {closed_address} cannot be reached")
    assert "HTTPS_PROXY" in message
    assert "credentials" not in message


def test_an_endpoint_that_cannot_be_reached_is_named(closed_address: str) -> None:
    message = message_of(AWS_ENDPOINT_URL=closed_address)
    address = closed_address.removeprefix("http://")
    assert message.startswith(f"{address} cannot be reached: check the network. ")
    assert "credentials" not in message


def test_a_region_that_does_not_exist_is_named_with_the_nearest(closed_address: str) -> None:
    message = message_of(AWS_REGION="eu-cental-1", AWS_ENDPOINT_URL=closed_address)
    assert "the region eu-cental-1 (did you mean eu-central-1?)" in message


@pytest.mark.parametrize(
    "code", ["InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch"]
)
def test_refused_credentials_name_the_region_that_may_not_be_enabled(
    service: str, code: str
) -> None:
    message = message_of(AWS_ENDPOINT_URL=f"{service}/{code}", AWS_REGION="ap-east-1")
    assert message.startswith(f"AWS does not accept the credentials in ap-east-1 ({code}): ")
    assert "has not enabled the region ap-east-1" in message


def test_an_expired_session_says_how_to_sign_in(service: str) -> None:
    message = message_of(AWS_ENDPOINT_URL=f"{service}/ExpiredToken")
    assert message.startswith(
        "The AWS session has expired (ExpiredToken): sign in (`aws sso login`"
    )


def test_another_refusal_is_told_in_the_words_of_aws(service: str) -> None:
    message = message_of(AWS_ENDPOINT_URL=f"{service}/AccessDenied")
    assert message.startswith("AWS: An error occurred (AccessDenied) when calling the GetCaller")
