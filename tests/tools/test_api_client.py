import json
import threading
from email.message import Message
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from tools.api_client import predict
from tools.cdk import ROOT


def test_a_request_is_one_that_the_firewall_lets_through() -> None:
    received: list[tuple[str, Message]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.path, self.headers))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"predictions": []}).encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - inherited name
            """Keep the tests' output clean."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/v1/"
        answer = predict(url, "k", ROOT / "samples" / "cat.jpg", top_k=3)
        thread.join()

    assert (answer.status, answer.content) == (200, {"predictions": []})
    [(path, headers)] = received
    assert path == "/v1/predict?top_k=3"
    assert (headers["Content-Type"], headers["x-api-key"]) == ("image/jpeg", "k")
    # The rule NoUserAgent_HEADER of AWS's common rules blocks a request without one.
    assert headers["User-Agent"]
