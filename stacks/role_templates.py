"""Prints the templates that have every role of this app as JSON.

For docs/security.md and docs/architecture.svg.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from stacks.application import add_stacks
from stacks.components.pipeline.cli_versions import read_cli_versions
from stacks.document_inputs import REPOSITORY, empty_inputs, new_app, templates_of
from stacks.github_stack import GithubStack
from stacks.names import PIPELINE_NAME
from stacks.pipeline_stack import PipelineStack
from stacks.settings.delivery import DeliverySettings, GithubSettings, PipelineSettings
from stacks.settings.pipeline_stages import PipelineStages
from stacks.settings.stage import StageSettings, load_stage_settings

Template = dict[str, Any]

_STAGE: Final = "prod"
_ACCOUNT: Final = "111122223333"
_REGION: Final = "eu-central-1"
_CONNECTION: Final = "00000000"
_GITHUB: Final = GithubSettings(
    owner="example", repository="classifier", owner_id="1", repository_id="2", stages=(_STAGE,)
)
_PIPELINE: Final = PipelineSettings(
    account=_ACCOUNT,
    region=_REGION,
    connection_arn=f"arn:aws:codeconnections:{_REGION}:{_ACCOUNT}:connection/{_CONNECTION}",
    repository="example/classifier",
    stages=(_STAGE,),
)
# With every part that a stage may have.
_NETWORK: Final = {"vpc_id": "vpc-0a1b2c3d", "subnet_id": "subnet-0a1b2c3d"}


def role_templates() -> dict[str, Template]:
    """Return the templates of the stage prod, of GitHub's roles and of the pipeline, by stack name.

    GitHub Actions deploys the stage, and the pipeline another one of the same settings. The roles
    depend on neither the model, the code nor the page, which are empty here.
    """
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        inputs = empty_inputs(directory, DeliverySettings(github=_GITHUB, pipeline=_PIPELINE))
        by_github, by_pipeline = _settings("github"), _settings("pipeline")
        app = new_app(directory / "github")
        add_stacks(app, settings=by_github, inputs=inputs)
        GithubStack(app, github=_GITHUB, stages=[by_github])
        templates = templates_of(app)
        app = new_app(directory / "pipeline")
        PipelineStack(
            app,
            delivery=PipelineStages(pipeline=_PIPELINE, stages=(by_pipeline,)),
            inputs={_STAGE: inputs},
            versions=read_cli_versions(REPOSITORY / "package.json"),
        )
        return templates | {PIPELINE_NAME: templates_of(app)[PIPELINE_NAME]}


def _settings(delivery: str) -> StageSettings:
    settings = load_stage_settings(_STAGE, REPOSITORY / "config")
    changes: dict[str, Any] = {"account": _ACCOUNT, "region": _REGION, "delivery": delivery}
    changes["network"] = {"vpc": "own"}
    changes["ec2_trainer"] = settings.ec2_trainer.model_dump() | _NETWORK
    changes["notebook"] = settings.notebook.model_dump() | _NETWORK | {"enabled": True}
    changes["api"] = settings.api.model_dump() | {"uploads_enabled": True}
    return StageSettings.model_validate(settings.model_dump() | changes)


if __name__ == "__main__":
    json.dump(role_templates(), sys.stdout)
