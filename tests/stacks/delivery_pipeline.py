"""A pipeline that deploys dev and prod, each to an account of its own, and finds its parts."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aws_cdk import App

from stacks.components.pipeline.cli_versions import read_cli_versions
from stacks.components.serving.model_lock import ModelLock, served_key
from stacks.inputs import Inputs
from stacks.pipeline_stack import PipelineStack
from stacks.settings.delivery import DeliverySettings, PipelineSettings
from stacks.settings.pipeline_stages import PipelineStages
from stacks.settings.stage import StageSettings, load_stage_settings
from tests.changed_settings import with_changes
from tests.stacks.assembly import CONFIG, REPOSITORY, Json, Resource, new_app

ACCOUNT = "111111111111"
STAGE_ACCOUNTS = {"dev": ACCOUNT, "prod": "222222222222"}
REGION = "eu-central-1"
SHA256 = "ab" * 32
CONNECTION = f"arn:aws:codeconnections:{REGION}:{ACCOUNT}:connection/0a1b-2c"


def pipeline_settings(**changes: Any) -> PipelineSettings:
    return PipelineSettings.model_validate(
        {
            "account": ACCOUNT,
            "region": REGION,
            "connection_arn": CONNECTION,
            "repository": "example/classifier",
            "stages": list(STAGE_ACCOUNTS),
            **changes,
        }
    )


def stage_settings(stage: str, region: str = REGION) -> StageSettings:
    return with_changes(
        load_stage_settings(stage, CONFIG),
        account=STAGE_ACCOUNTS[stage],
        region=region,
        delivery="pipeline",
    )


def locked(inputs: Inputs, settings: PipelineSettings) -> Inputs:
    """Return inputs whose model a lock names."""
    lock = ModelLock(
        sha256=SHA256,
        manifest_sha256="cd" * 32,
        key=served_key(SHA256),
        name=inputs.model.name,
        source_uri="s3://models-of-dev/serving/model.tar.gz",
    )
    return replace(
        inputs,
        model=replace(inputs.model, archive=None, sha256=SHA256, lock=lock),
        delivery=DeliverySettings(pipeline=settings),
    )


def add_pipeline(
    app: App, inputs: Inputs, settings: PipelineSettings, *stages: StageSettings
) -> PipelineStack:
    return PipelineStack(
        app,
        delivery=PipelineStages(pipeline=settings, stages=stages),
        inputs={stage.stage: locked(inputs, settings) for stage in stages},
        versions=read_cli_versions(REPOSITORY / "package.json"),
    )


@dataclass(frozen=True)
class PipelineAssembly:
    """A synthesized pipeline."""

    directory: Path

    @property
    def template(self) -> Json:
        path = self.directory / "whippet-pipeline.template.json"
        template: Json = json.loads(path.read_text())
        return template

    def resources(self, type_: str) -> dict[str, Resource]:
        return {
            name: Resource(name, body)
            for name, body in self.template["Resources"].items()
            if body["Type"] == type_
        }

    def resource(self, type_: str) -> Resource:
        (only,) = self.resources(type_).values()
        return only

    def actions(self, stage: str) -> list[Json]:
        """Return the actions of a stage in the order in which they run."""
        stages = self.resource("AWS::CodePipeline::Pipeline").properties["Stages"]
        (found,) = (each["Actions"] for each in stages if each["Name"] == stage)
        return sorted(found, key=lambda action: action["RunOrder"])

    def action(self, stage: str, name: str) -> Json:
        (found,) = (each for each in self.actions(stage) if each["Name"] == name)
        return found

    def project(self, stage: str, action: str) -> Resource:
        """Return the project that an action runs."""
        configuration = self.action(stage, action)["Configuration"]
        return self.resources("AWS::CodeBuild::Project")[configuration["ProjectName"]["Ref"]]

    def build_spec(self, project: Resource) -> Json:
        text = project.properties["Source"]["BuildSpec"]
        if not text.startswith("{"):
            text = (self.directory / text).read_text()
        build_spec: Json = json.loads(text)
        return build_spec

    def commands(self, stage: str, action: str) -> list[str]:
        """Return the commands that an action's project runs."""
        phases = self.build_spec(self.project(stage, action))["phases"]
        return [
            line
            for name in ("install", "pre_build", "build")
            for line in phases.get(name, {}).get("commands", ())
        ]


def synthesize_pipeline(
    inputs: Inputs, directory: Path, settings: PipelineSettings, *stages: StageSettings
) -> PipelineAssembly:
    app = new_app(directory)
    add_pipeline(app, inputs, settings, *stages)
    app.synth()
    return PipelineAssembly(directory)
