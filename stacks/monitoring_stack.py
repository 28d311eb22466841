"""Alarms, their topics and a dashboard."""

from aws_cdk import CfnOutput
from constructs import Construct

from stacks.api_stack import ApiStack
from stacks.components.api.counted_classes import counted_classes
from stacks.components.monitoring.alarm_topic import AlarmTopic
from stacks.components.monitoring.catalogue.stage_alarms import stage_alarms
from stacks.components.monitoring.dashboard import Dashboard
from stacks.components.monitoring.paused_actions import silence_while_paused
from stacks.components.monitoring.stage_alarms import StageAlarms
from stacks.components.monitoring.stage_metrics import StageMetrics
from stacks.inputs import Inputs
from stacks.settings.stage import StageSettings
from stacks.stage_stack import StageStack
from stacks.storage_stack import StorageStack
from stacks.training_stack import TrainingStack
from stacks.web_stack import WebStack


class MonitoringStack(StageStack):
    """Alarms, the SNS topics that they notify, and a dashboard."""

    def __init__(
        self,
        scope: Construct,
        *,
        settings: StageSettings,
        storage: StorageStack,
        training: TrainingStack,
        api: ApiStack,
        web: WebStack | None,
        inputs: Inputs,
    ) -> None:
        super().__init__(
            scope,
            settings=settings,
            purpose="monitoring",
            description="Whippet: alarms and dashboard",
        )
        monitoring = settings.monitoring
        metrics = StageMetrics(
            stage_name=settings.name,
            endpoint_name=settings.endpoint_name,
            firewall_name=api.firewall_name,
            model_name=inputs.model.name,
            api_stage=api.api.api.deployment_stage,
            proxy=api.proxy,
            health=api.health.function,
            state_machine_arn=training.state_machine.state_machine_arn,
            distribution_id=web.distribution.distribution_id if web else None,
        )
        urgent, warnings = (
            AlarmTopic(self, name, key=storage.key, alarm_address=address).topic
            for name, address in (
                ("AlarmTopic", monitoring.alarm_address),
                ("WarningTopic", monitoring.warning_address),
            )
        )
        definitions = stage_alarms(settings)
        alarms = StageAlarms(
            self,
            "Alarms",
            definitions=definitions,
            combined=monitoring.alarms == "full",
            metrics=metrics,
            urgent=urgent,
            warnings=warnings,
        )
        Dashboard(
            self,
            "Dashboard",
            settings=settings,
            metrics=metrics,
            alarms=alarms.alarms,
            counted_classes=counted_classes(settings, inputs.model),
        )
        CfnOutput(self, "AlarmTopicArn", value=urgent.topic_arn)
        CfnOutput(self, "WarningTopicArn", value=warnings.topic_arn)
        silence_while_paused(
            self,
            except_for={each.name for each in definitions if each.notifies_while_paused},
        )
