"""Prints the templates that have every role of this app as JSON, for docs/security.md."""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from aws_cdk import App

from stacks.application import add_stacks
from stacks.components.pipeline.cli_versions import read_cli_versions
from stacks.components.serving.model_artifact import ModelArtifact
from stacks.components.serving.model_lock import ModelLock, served_key
from stacks.github_stack import GithubStack
from stacks.inputs import Inputs
from stacks.names import PIPELINE_NAME
from stacks.pipeline_stack import PipelineStack
from stacks.settings.delivery import DeliverySettings, GithubSettings, PipelineSettings
from stacks.settings.pipeline_stages import PipelineStages
from stacks.settings.stage import StageSettings, load_stage_settings

Template = dict[str, Any]

_REPOSITORY: Final = Path(__file__).resolve().parent.parent

_STAGE: Final = "prod"
_ACCOUNT: Final = "111122223333"
_REGION: Final = "eu-central-1"
_SHA256: Final = "0" * 64
_GITHUB: Final = GithubSettings(
    owner="example", repository="classifier", owner_id="1", repository_id="2", stages=(_STAGE,)
)
_PIPELINE: Final = PipelineSettings(
    account=_ACCOUNT,
    region=_REGION,
    connection_arn=f"arn:aws:codeconnections:{_REGION}:{_ACCOUNT}:connection/{_SHA256[:8]}",
    repository="example/classifier",
    stages=(_STAGE,),
)
# With every part that a stage may have.
_NETWORK: Final = {"vpc_id": "vpc-0a1b2c3d", "subnet_id": "subnet-0a1b2c3d"}
_PAGE: Final = ("index.html", "404.html")


def role_templates() -> dict[str, Template]:
    """Return the templates of the stage prod, of GitHub's roles and of the pipeline, by stack name.

    GitHub Actions deploys the stage, and the pipeline another one of the same settings. The roles
    depend on neither the model, the code nor the page, which are empty here.
    """
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        inputs = _inputs(directory)
        by_github, by_pipeline = _settings("github"), _settings("pipeline")
        app = _app(directory / "github")
        add_stacks(app, settings=by_github, inputs=inputs)
        GithubStack(app, github=_GITHUB, stages=[by_github])
        templates = _templates(app)
        app = _app(directory / "pipeline")
        PipelineStack(
            app,
            delivery=PipelineStages(pipeline=_PIPELINE, stages=(by_pipeline,)),
            inputs={_STAGE: inputs},
            versions=read_cli_versions(_REPOSITORY / "package.json"),
        )
        return templates | {PIPELINE_NAME: _templates(app)[PIPELINE_NAME]}


def _app(directory: Path) -> App:
    context = json.loads((_REPOSITORY / "cdk.json").read_text(encoding="utf-8"))["context"]
    return App(context=context, analytics_reporting=False, outdir=str(directory))


def _templates(app: App) -> dict[str, Template]:
    return {stack.stack_name: dict(stack.template) for stack in app.synth().stacks}


def _settings(delivery: str) -> StageSettings:
    settings = load_stage_settings(_STAGE, _REPOSITORY / "config")
    changes: dict[str, Any] = {"account": _ACCOUNT, "region": _REGION, "delivery": delivery}
    changes["ec2_trainer"] = settings.ec2_trainer.model_dump() | _NETWORK
    changes["notebook"] = settings.notebook.model_dump() | _NETWORK | {"enabled": True}
    return StageSettings.model_validate(settings.model_dump() | changes)


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
        model_code_directory=_REPOSITORY / "model_code",
        delivery=DeliverySettings(github=_GITHUB, pipeline=_PIPELINE),
        samples_directory=directory,
    )


if __name__ == "__main__":
    json.dump(role_templates(), sys.stdout)
