"""Synthesizes the templates that have every role of this app, for docs/security.md."""

import json
import tempfile
from pathlib import Path
from typing import Any, Final

from aws_cdk import App

from stacks.application import add_stacks
from stacks.components.serving.model_artifact import ModelArtifact
from stacks.components.serving.model_lock import ModelLock, served_key
from stacks.github_stack import GithubStack
from stacks.inputs import Inputs
from stacks.settings.delivery import DeliverySettings, GithubSettings
from stacks.settings.stage import StageSettings, load_stage_settings
from tools.cdk import ROOT

Template = dict[str, Any]

_STAGE: Final = "prod"
_SHA256: Final = "0" * 64
_GITHUB: Final = GithubSettings(
    owner="example", repository="classifier", owner_id="1", repository_id="2", stages=(_STAGE,)
)
_PAGE: Final = ("index.html", "404.html")


def role_templates() -> dict[str, Template]:
    """Return the templates of the stage prod as deployed by GitHub Actions, by the stack's name.

    The roles depend on neither the model, the code nor the page, which are empty here.
    """
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        app = App(
            context=json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"],
            analytics_reporting=False,
            outdir=str(directory / "assembly"),
        )
        settings = _settings()
        add_stacks(app, settings=settings, inputs=_inputs(directory))
        GithubStack(app, github=_GITHUB, stages=[settings])
        return {stack.stack_name: dict(stack.template) for stack in app.synth().stacks_recursively}


def _settings() -> StageSettings:
    settings = load_stage_settings(_STAGE, ROOT / "config")
    place = {"account": "111122223333", "region": "eu-central-1", "delivery": "github"}
    return StageSettings.model_validate(settings.model_dump() | place)


def _inputs(directory: Path) -> Inputs:
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
        model_code_directory=ROOT / "model_code",
        delivery=DeliverySettings(github=_GITHUB),
        samples_directory=directory,
    )
