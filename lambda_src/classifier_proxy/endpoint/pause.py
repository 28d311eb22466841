import time
from collections.abc import Callable
from functools import cached_property
from typing import Any

from classifier_proxy import errors
from classifier_proxy.deadlines import call_within
from classifier_proxy.endpoint.clients import create_client
from classifier_proxy.endpoint.errors import SDK_ERRORS

CONNECT_TIMEOUT_SECONDS = 0.4
READ_TIMEOUT_SECONDS = 0.8

CACHE_SECONDS = 5.0
"""While the stage is paused, each request finds no endpoint: GetParameter is called at most this
often."""


class PauseParameter:
    """The parameter of Systems Manager whose value is "true" while the stage is paused.

    It is read only after the endpoint was found to be missing, and its client is created then.

    Args:
        name: the parameter's name.
        clock: monotonic, in seconds.
    """

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._clock = clock
        self._is_paused = False
        self._fresh_until = float("-inf")

    def explain(self, error: errors.ProxyError, seconds: float) -> errors.ProxyError:
        """Return an error of the endpoint, or `EndpointPausedError` in place of a missing one.

        Args:
            error: why the endpoint could not be used. If the parameter cannot be read, it is
                returned with a note for the log.
            seconds: how long the parameter may take.
        """
        if not isinstance(error, errors.EndpointMissingError):
            return error
        if self._clock() >= self._fresh_until:
            try:
                self._is_paused = call_within(max(0.0, seconds), self._read) == "true"
            except (*SDK_ERRORS, LookupError) as problem:
                self._is_paused = False
                error.add_note(f"Whether the stage is paused cannot be read: {problem!r}")
            self._fresh_until = self._clock() + CACHE_SECONDS
        return errors.EndpointPausedError() if self._is_paused else error

    def _read(self) -> Any:
        return self._client.get_parameter(Name=self._name)["Parameter"]["Value"]

    @cached_property
    def _client(self) -> Any:
        return create_client(
            "ssm",
            connect_timeout_seconds=CONNECT_TIMEOUT_SECONDS,
            read_timeout_seconds=READ_TIMEOUT_SECONDS,
        )
