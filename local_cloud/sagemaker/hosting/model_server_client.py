"""Speaks SageMaker's container contract to one model server of this machine."""

import http.client
from collections import deque
from dataclasses import dataclass

# SageMaker's own numbers:
# docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
PING_TIMEOUT_SECONDS = 2.0
INVOCATION_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class InstanceAnswer:
    """What a container said to `/invocations`."""

    status: int
    headers: dict[str, str]
    body: bytes


class ModelServerClient:
    """Keeps connections to a server, whose port changes when it is started again."""

    def __init__(self) -> None:
        self._port = 0
        self._connections: deque[http.client.HTTPConnection] = deque()

    def move_to(self, port: int) -> None:
        """Send what follows to another port of 127.0.0.1."""
        self.close()
        self._port = port

    def ping(self) -> bool:
        """Return whether the server says in time that it is healthy."""
        connection = self._connection(PING_TIMEOUT_SECONDS)
        try:
            connection.request("GET", "/ping")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def invoke(self, body: bytes, headers: dict[str, str]) -> InstanceAnswer:
        """Send one request to the model server.

        Raises:
            OSError: the server cannot be reached, or went away.
            http.client.HTTPException: its answer is no HTTP.
            TimeoutError: it took longer than SageMaker waits.
        """
        try:
            return self._exchange(self._connections.pop(), body, headers)
        except (IndexError, http.client.RemoteDisconnected, ConnectionError):
            # No idle connection, or the server had closed it meanwhile.
            fresh = self._connection(INVOCATION_TIMEOUT_SECONDS)
            return self._exchange(fresh, body, headers)

    def close(self) -> None:
        """Close the idle connections."""
        while self._connections:
            self._connections.pop().close()

    def _connection(self, timeout_seconds: float) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._port, timeout=timeout_seconds)

    def _exchange(
        self, connection: http.client.HTTPConnection, body: bytes, headers: dict[str, str]
    ) -> InstanceAnswer:
        try:
            connection.request("POST", "/invocations", body, headers)
            response = connection.getresponse()
            answer = InstanceAnswer(response.status, dict(response.getheaders()), response.read())
        except BaseException:
            connection.close()
            raise
        if response.will_close:
            connection.close()
        else:
            self._connections.append(connection)
        return answer
