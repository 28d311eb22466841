"""What a server of the comparison is: how it is started, and how it is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

Kind = Literal["whippet", "torch", "openvino"]

ROOT: Final = Path(__file__).parent.parent
_BOUNDARY: Final = "whippet-benchmark"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a server finds and leaves what it needs.

    Attributes:
        programs: folder of those of its virtual environment.
        inputs: folder of the network: `artifact/`, `weights.pth`.
        scratch: an empty folder of this run.
        port: free on 127.0.0.1.
    """

    programs: Path
    inputs: Path
    scratch: Path
    port: int


Command = Callable[[Place], list[str]]


@dataclass(frozen=True, kw_only=True)
class Server:
    """One server of the comparison.

    Attributes:
        name: as on the command line.
        title: as in the document.
        kind: what computes: torch as the server's users run it, or OpenVINO, or it is ours.
        path: of the request.
        form_field: name of the picture in a form; none where it is the body.
        precision: of the network.
        environment: its settings, shown in the document.
        command: builds the command line, preparing files where it must.
    """

    name: str
    title: str
    kind: Kind
    path: str
    command: Command
    form_field: str | None = None
    precision: Literal["fp32", "int8"] = "fp32"
    environment: dict[str, str] = field(default_factory=dict)

    def request(self, picture: bytes) -> bytes:
        """Return a whole HTTP request with this picture (JPEG)."""
        if self.form_field is None:
            content_type, body = "image/jpeg", picture
        else:
            content_type, body = _form(self.form_field, picture)
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


def _form(name: str, picture: bytes) -> tuple[str, bytes]:
    head = (
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; '
        'filename="picture.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    )
    body = head.encode() + picture + f"\r\n--{_BOUNDARY}--\r\n".encode()
    return f"multipart/form-data; boundary={_BOUNDARY}", body
