"""An HTTP client of one model server, with SageMaker's timeouts."""

import http.client
from collections import deque
from dataclasses import dataclass

# docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
PING_TIMEOUT_SECONDS = 2.0
INVOCATION_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class InstanceResponse:
    """A response of the model server to `/invocations`."""

    status: int
    headers: dict[str, str]
    body: bytes


class ModelServerClient:
    """Keeps connections to a server, whose port changes when it is restarted."""

    def __init__(self) -> None:
        self._port = 0
        self._connections: deque[http.client.HTTPConnection] = deque()

    def move_to(self, port: int) -> None:
        """Send the next requests to another port of 127.0.0.1."""
        self.close()
        self._port = port

    def ping(self) -> bool:
        """Return whether the server responds to `/ping` with 200 within 2 seconds."""
        connection = self._connection(PING_TIMEOUT_SECONDS)
        try:
            connection.request("GET", "/ping")
            response = connection.getresponse()
            response.read()
            return response.status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def invoke(
        self,
        body: bytes,
        headers: dict[str, str],
        timeout_seconds: float = INVOCATION_TIMEOUT_SECONDS,
    ) -> InstanceResponse:
        """Send one request to the model server.

        Args:
            body: the request's body.
            headers: the request's headers.
            timeout_seconds: SageMaker's 60 seconds, or those of a transform job; a connection
                that is used again keeps the timeout that it was made with.

        Raises:
            OSError: the server cannot be reached, or closed the connection.
            http.client.HTTPException: the response is not valid HTTP.
            TimeoutError: no response in time.
        """
        try:
            return self._exchange(self._connections.pop(), body, headers)
        except (IndexError, http.client.RemoteDisconnected, ConnectionError):
            # No idle connection, or the server has closed it.
            fresh = self._connection(timeout_seconds)
            return self._exchange(fresh, body, headers)

    def close(self) -> None:
        """Close the idle connections."""
        while self._connections:
            self._connections.pop().close()

    def _connection(self, timeout_seconds: float) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._port, timeout=timeout_seconds)

    def _exchange(
        self, connection: http.client.HTTPConnection, body: bytes, headers: dict[str, str]
    ) -> InstanceResponse:
        try:
            connection.request("POST", "/invocations", body, headers)
            response = connection.getresponse()
            headers = dict(response.getheaders())
            received = InstanceResponse(response.status, headers, response.read())
        except BaseException:
            connection.close()
            raise
        # After a restart the server has another port.
        if response.will_close or connection.port != self._port:
            connection.close()
        else:
            self._connections.append(connection)
        return received
