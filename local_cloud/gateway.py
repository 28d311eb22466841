"""The ASGI application that both ports serve."""

import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

# Where MiniStack answers requests to a deployed REST API.
_POLICY_VIOLATION = 1008  # RFC 6455
_DEPLOYED_API = re.compile(r"/restapis/[a-z0-9]+/[^/]+/_user_request_(/.*)?")


class Gateway:
    """Passes requests on to MiniStack; the plain-http port carries the deployed API alone.

    A browser and a pasted `curl` need no certificate there, and what must be
    signed and encrypted cannot be reached over it.
    """

    def __init__(self, application: Application, *, public_port: int) -> None:
        self._application = application
        self._public_port = public_port

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        on_public_port = (scope.get("server") or ("", 0))[1] == self._public_port
        if not on_public_port or scope["type"] == "lifespan":
            await self._application(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        elif _DEPLOYED_API.fullmatch(scope["path"]):
            await self._application(scope, receive, send)
        else:
            await _refuse(send)


async def _refuse(send: Send) -> None:
    body = json.dumps(
        {"message": "This port serves the deployed API only; AWS APIs are on the TLS port."}
    ).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body", "body": body})
