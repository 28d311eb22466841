import http.client
import json
from typing import Any
from urllib.parse import urlsplit

from tools.local_deployment import LocalDeployment


def ask(
    deployment: LocalDeployment,
    body: bytes,
    content_type: str | None = "image/png",
    *,
    query: str = "",
    key: str | None = None,
) -> tuple[int, Any]:
    address = urlsplit(deployment.api_url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=35)
    headers = {"x-api-key": deployment.api_key if key is None else key}
    if content_type:
        headers["Content-Type"] = content_type
    connection.request("POST", f"{address.path}predict{query}", body, headers)
    response = connection.getresponse()
    text = response.read()
    connection.close()
    return response.status, json.loads(text)
