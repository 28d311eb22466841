"""What a server of the comparison is: how it is started, and what a request to it is."""

import socket
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Final, Literal

Kind = Literal["whippet", "before", "torch", "openvino"]

_BOUNDARY: Final = "whippet-benchmark"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a server reads and writes.

    Attributes:
        programs: `bin` of its virtual environment.
        inputs: folder of the network: `artifact/`, `weights.pth`.
        scratch: folder for its own files.
        port: a free one of 127.0.0.1.
    """

    programs: Path
    inputs: Path
    scratch: Path
    port: int


@dataclass(frozen=True)
class Server:
    """One server of the comparison.

    Attributes:
        name: as on the command line.
        title: as in the document.
        kind: `before` is ours of another checkout; `torch` and `openvino` are peers, by what
            computes in them.
        path: of the request.
        form_field: of the image in a form; None where the image is the body.
        precision: of the network.
        environment: its settings, shown in the document.
        command: builds the command line, and the files that it needs.
    """

    name: str
    title: str
    kind: Kind
    path: str
    _: KW_ONLY
    command: Callable[[Place], list[str]]
    form_field: str | None = None
    precision: Literal["fp32", "bf16", "int8"] = "fp32"
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def is_peer(self) -> bool:
        """Whether it is another project's."""
        return self.kind in ("torch", "openvino")

    def request(self, image: bytes) -> bytes:
        """Return a whole HTTP request that classifies an image (JPEG)."""
        content_type, body = "image/jpeg", image
        if self.form_field is not None:
            content_type = f"multipart/form-data; boundary={_BOUNDARY}"
            disposition = f'form-data; name="{self.form_field}"; filename="image.jpg"'
            head = (
                f"--{_BOUNDARY}\r\nContent-Disposition: {disposition}\r\n"
                "Content-Type: image/jpeg\r\n\r\n"
            )
            body = head.encode() + image + f"\r\n--{_BOUNDARY}--\r\n".encode()
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
