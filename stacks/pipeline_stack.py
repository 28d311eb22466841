"""The pipeline that deploys stages from the repository, and updates itself."""

from collections.abc import Mapping

from aws_cdk import App, Environment, Stack, Stage, pipelines
from aws_cdk import aws_codepipeline as codepipeline

from stacks.application import add_stacks
from stacks.components.pipeline.acknowledgements import acknowledge_grants
from stacks.components.pipeline.cli_versions import CliVersions
from stacks.components.pipeline.notifications import PipelineNotifications
from stacks.components.pipeline.projects import project_defaults, publishing_defaults
from stacks.components.pipeline.shared_steps import SharedSteps
from stacks.components.pipeline.source import source_role, use_connection
from stacks.components.pipeline.stage_steps import StageSteps
from stacks.components.pipeline.store import PipelineStore
from stacks.inputs import Inputs
from stacks.names import PIPELINE_NAME
from stacks.settings.pipeline_stages import PipelineStages
from stacks.settings.stage import StageSettings


class PipelineStack(Stack):
    """A pipeline of CDK Pipelines: source, synthesis, its own update, assets, stages in order.

    The stages are children of the app, not of this stack: their templates are those of
    `make deploy`, and what is acknowledged here is not acknowledged there.
    """

    def __init__(
        self,
        scope: App,
        *,
        delivery: PipelineStages,
        inputs: Mapping[str, Inputs],
        versions: CliVersions,
    ) -> None:
        settings = delivery.pipeline
        super().__init__(
            scope,
            PIPELINE_NAME,
            stack_name=PIPELINE_NAME,
            description="Whippet: delivery pipeline",
            env=Environment(account=settings.account, region=settings.region),
            termination_protection=True,
            tags={"project": "whippet"},
        )
        self._delivery = delivery
        self._store = PipelineStore(self, "Store")
        self._shared = SharedSteps(self, "Steps", settings=settings, store=self._store)
        self._pipeline = pipelines.CodePipeline(
            self,
            "Pipeline",
            pipeline_name=PIPELINE_NAME,
            pipeline_type=codepipeline.PipelineType.V2,
            synth=self._shared.synth,
            artifact_bucket=self._store.artifacts,
            cross_account_keys=True,
            enable_key_rotation=True,  # of the keys that CDK makes in other regions
            cli_version=versions.cdk,
            cdk_assets_cli_version=versions.cdk_assets,
            publish_assets_in_parallel=False,
            code_build_defaults=project_defaults(self._store.log_group),
            asset_publishing_code_build_defaults=publishing_defaults(),
        )
        for position, stage in enumerate(delivery.stages):
            self._add_stage(scope, stage, inputs[stage.stage], first=position == 0)
        self._pipeline.build_pipeline()
        for statement in use_connection(settings):
            source_role(self._pipeline).add_to_policy(statement)
        PipelineNotifications(
            self,
            "Notifications",
            pipeline=self._pipeline.pipeline,
            key=self._store.key,
            address=settings.notification_email,
        )
        acknowledge_grants(self._pipeline, self._store)

    def _add_stage(
        self, scope: App, settings: StageSettings, inputs: Inputs, *, first: bool
    ) -> None:
        stage = Stage(
            scope,
            settings.stage,
            env=Environment(account=settings.account, region=settings.region),
        )
        serving = add_stacks(stage, settings=settings, inputs=inputs)
        steps = StageSteps(
            self,
            f"Steps{settings.stage.title()}",
            pipeline=self._delivery.pipeline,
            settings=settings,
            shared=self._shared,
            store=self._store,
            approval=self._delivery.needs_approval(settings),
        )
        before = steps.before
        if first:
            # A person approves what was tested.
            for step in before:
                step.add_step_dependency(self._shared.tests)
            before = [self._shared.tests, *before]
        self._pipeline.add_stage(
            stage,
            pre=before,
            stack_steps=[pipelines.StackSteps(stack=serving, pre=[steps.copy_model])],
            post=[steps.check_deployment],
        )
