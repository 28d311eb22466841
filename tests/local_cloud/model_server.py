"""A stand-in for `model_code/serve.py`, which starts in a tenth of a second.

Files in the model's folder change what it does: `fail` (exits), `hang` (no longer responds to
`/ping`), `refuse` (responds to `/ping` with 503), `slow` (waits before each prediction). It hangs
up without a response to the body `hang up`.
"""

import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

OPTIONS = dict(zip(sys.argv[2::2], sys.argv[3::2], strict=True))
MODEL = Path(OPTIONS["--model-dir"])


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if (MODEL / "hang").exists():
            time.sleep(600)
        self.respond(503 if (MODEL / "refuse").exists() else 200, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if (MODEL / "slow").exists():
            time.sleep(0.5)
        if body == b"hang up":
            self.close_connection = True
            return
        content = {
            "process_id": os.getpid(),
            "body": body.decode(),
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "variables": dict(os.environ),
        }
        self.respond(422 if body == b"bad" else 200, content)

    def respond(self, status: int, content: dict[str, object]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        pass


if __name__ == "__main__":
    if (MODEL / "fail").exists():
        sys.exit("the model is damaged")
    ThreadingHTTPServer((OPTIONS["--host"], int(OPTIONS["--port"])), Handler).serve_forever()
