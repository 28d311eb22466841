"""What the documents that are made from templates synthesize with: no model, no code, no page."""

import json
from pathlib import Path
from typing import Any, Final

from aws_cdk import App

from stacks.components.serving.model_artifact import ModelArtifact
from stacks.components.serving.model_lock import ModelLock, served_key
from stacks.inputs import Inputs
from stacks.settings.delivery import DeliverySettings

REPOSITORY: Final = Path(__file__).resolve().parent.parent

_SHA256: Final = "0" * 64
_PAGE: Final = ("index.html", "404.html")


def empty_inputs(directory: Path, delivery: DeliverySettings) -> Inputs:
    """Return inputs whose folders, made in `directory`, are empty; the model is that of a lock."""
    for name in ("proxy", "page", "model_code"):
        (directory / name).mkdir()
    for name in _PAGE:
        (directory / "page" / name).write_text("", encoding="utf-8")
    lock = ModelLock(
        sha256=_SHA256,
        manifest_sha256=_SHA256,
        key=served_key(_SHA256),
        name="model",
        source_uri=f"s3://source-bucket/{served_key(_SHA256)}",
    )
    model = ModelArtifact(
        archive=None,
        sha256=_SHA256,
        name=lock.name,
        identity=_SHA256,
        labels=("a", "b"),
        files=frozenset({"model.onnx"}),
        resize_pixels=256,
        demo=False,
        lock=lock,
    )
    return Inputs(
        model=model,
        proxy_directory=directory / "proxy",
        page_directory=directory / "page",
        model_code_directory=REPOSITORY / "model_code",
        delivery=delivery,
        samples_directory=directory,
    )


def new_app(directory: Path) -> App:
    """Return an app with the context of cdk.json that writes to a folder."""
    context = json.loads((REPOSITORY / "cdk.json").read_text(encoding="utf-8"))["context"]
    return App(context=context, analytics_reporting=False, outdir=str(directory))


def templates_of(app: App) -> dict[str, dict[str, Any]]:
    """Synthesize an app; return its templates by the stack's name."""
    return {stack.stack_name: dict(stack.template) for stack in app.synth().stacks}
