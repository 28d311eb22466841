"""multipart/form-data (RFC 7578), as HTTP clients write it."""

from collections.abc import Mapping

BOUNDARY = "----boundary1234"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def form(image: bytes, fields: Mapping[str, str] | None = None) -> tuple[bytes, str]:
    """A form of one file and some fields, and its Content-Type."""
    texts = [part(f'name="{name}"', value.encode()) for name, value in (fields or {}).items()]
    return joined(*texts, file(image)), CONTENT_TYPE


def file(content: bytes, name: str = "image", filename: str = "image.jpg") -> bytes:
    return part(f'name="{name}"; filename="{filename}"', content, "Content-Type: image/jpeg")


def part(disposition: str, content: bytes, *headers: str) -> bytes:
    lines = [f"Content-Disposition: form-data; {disposition}", *headers]
    return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n" + content


def joined(*parts: bytes) -> bytes:
    delimiter = f"--{BOUNDARY}".encode()
    return b"".join(delimiter + b"\r\n" + each + b"\r\n" for each in parts) + delimiter + b"--\r\n"
