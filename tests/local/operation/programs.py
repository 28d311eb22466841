"""Serving programs that fail in production and pass their health check."""

from pathlib import Path

# Slower than the stage's alarm allows, and within the proxy's timeout of 4 s.
SLOW_SECONDS = 2.2
# Before the real program responds to an invocation.
SLOW = f"await asyncio.sleep({SLOW_SECONDS})"
BROKEN = """
            while (await receive()).get("more_body"):
                pass
            body = b'{"code": "internal_error", "message": "a defect of the new model"}'
            headers = [(b"content-type", b"application/json")]
            await send({"type": "http.response.start", "status": 500, "headers": headers})
            await send({"type": "http.response.body", "body": body})
            return
"""
_CREATED = "InferenceServer(manifest, engine, decoders, settings).create_application()"
_DEFECTIVE = """

class Defective:
    def __init__(self, application):
        self._application = application

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http" and scope["path"] == "/invocations":
            {defect}
        await self._application(scope, receive, send)


def main("""


def make_defective(program: Path, defect: str) -> None:
    """Change a copy of serve.py: each invocation meets a defect, `/ping` does not.

    Args:
        program: the file.
        defect: `SLOW` or `BROKEN`.
    """
    text = program.read_text()
    assert text.count(_CREATED) == text.count("\n\ndef main(") == 1
    text = text.replace(_CREATED, f"Defective({_CREATED})")
    text = text.replace("\n\ndef main(", _DEFECTIVE.format(defect=defect))
    program.write_text(text.replace("import argparse\n", "import argparse\nimport asyncio\n"))
