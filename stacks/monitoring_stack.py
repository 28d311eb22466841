"""Alarms, their topic and a dashboard."""

from aws_cdk import CfnOutput
from constructs import Construct

from stacks.api_stack import ApiStack
from stacks.components.monitoring.alarm_topic import AlarmTopic
from stacks.components.monitoring.dashboard import Dashboard
from stacks.components.monitoring.operator_alarms import OperatorAlarms
from stacks.components.monitoring.stage_metrics import StageMetrics
from stacks.settings.stage import StageSettings
from stacks.stage_stack import StageStack
from stacks.storage_stack import StorageStack


class MonitoringStack(StageStack):
    """Alarms, the SNS topic that they notify, and a dashboard."""

    def __init__(
        self, scope: Construct, *, settings: StageSettings, storage: StorageStack, api: ApiStack
    ) -> None:
        super().__init__(
            scope,
            settings=settings,
            purpose="monitoring",
            description="Whippet: alarms and dashboard",
        )
        metrics = StageMetrics(
            endpoint_name=settings.name,
            api_stage=api.api.api.deployment_stage,
            proxy=api.proxy,
            health=api.health.function,
        )
        topic = AlarmTopic(
            self, "AlarmTopic", key=storage.key, alarm_address=settings.monitoring.alarm_address
        ).topic
        alarms = OperatorAlarms(
            self, "Alarms", settings=settings.monitoring, metrics=metrics, topic=topic
        )
        Dashboard(self, "Dashboard", metrics=metrics, alarms=alarms)
        CfnOutput(self, "AlarmTopicArn", value=topic.topic_arn)
