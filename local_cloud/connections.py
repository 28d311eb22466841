"""Keeps ordinary endings of connections out of the log."""

import asyncio
import logging
import ssl
from typing import Any

# A warning of asyncio for each write after a client has closed its TLS connection.
_CLOSED = "SSL connection is closed"


def ignore_ended_connections(loop: asyncio.AbstractEventLoop) -> None:
    """Do not log what a client can cause by closing a connection, or by not speaking TLS.

    asyncio reports these as unhandled exceptions, with stack traces: a client that resets its
    connection or never completes the TLS shutdown, as an SDK's idle connections do at the end of
    their process. All other unhandled exceptions are logged as before.
    """
    loop.set_exception_handler(_handle)
    logging.getLogger("asyncio").addFilter(_is_worth_a_line)


def _handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    ended = isinstance(context.get("exception"), (ConnectionError, TimeoutError, ssl.SSLError))
    # Before 3.11.4 the task of a connection has its exception alone.
    is_of_connection = "transport" in context or "protocol" in context or "future" in context
    if not (ended and is_of_connection):
        loop.default_exception_handler(context)


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    return record.getMessage() != _CLOSED
