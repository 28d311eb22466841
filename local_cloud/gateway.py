"""The ASGI application that both ports serve."""

import json
import re
from collections.abc import Mapping
from typing import Any

from local_cloud.asgi import Application, Message, Receive, Send, read_body
from local_cloud.ministack_hooks.distributions import find_distribution, respond_to_viewer
from local_cloud.ministack_hooks.upload_buckets import find_upload_buckets
from local_cloud.presigned_uploads import is_presigned_upload

_POLICY_VIOLATION = 1008  # RFC 6455
# MiniStack's path of a deployed REST API.
_DEPLOYED_API = re.compile(r"/restapis/[a-z0-9]+/[^/]+/_user_request_(/.*)?", re.DOTALL)


class Gateway:
    """Forwards requests to MiniStack; the plain-http port serves only the deployed page and API.

    The page is at its root, through the deployed distribution, and the REST API at its own
    path. Browsers and `curl` need no certificate there. The AWS APIs are only on the TLS port, but
    for presigned uploads of images, which count as sent over TLS: they do not leave this machine,
    and the bucket's policy would deny them.
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
        elif is_presigned_upload(scope, find_upload_buckets(), self._public_port):
            await self._application({**scope, "scheme": "https"}, receive, send)
        elif distribution := find_distribution():
            # Not MiniStack's routing, which serves other things at some paths of a distribution.
            await _respond(
                send, *await respond_to_viewer(distribution, scope, await read_body(receive))
            )
        else:
            await _refuse(send)


async def _respond(send: Send, status: int, headers: Mapping[str, Any], body: bytes) -> None:
    pairs = [
        (name.lower().encode("latin-1"), str(value).encode("latin-1"))
        for name, given in headers.items()
        for value in (given if isinstance(given, list) else [given])
    ]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})


async def _refuse(send: Send) -> None:
    body = json.dumps(
        {"message": "Nothing is deployed here; the AWS APIs are on the TLS port."}
    ).encode()
    headers = {"content-type": "application/json", "content-length": len(body)}
    await _respond(send, 404, headers, body)
