"""The alarms of a stage and what they notify."""

from collections.abc import Sequence
from typing import cast

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from stacks.components.monitoring.catalogue.definition import (
    AlarmDefinition,
    Severity,
    describe,
)
from stacks.components.monitoring.catalogue.stage_alarms import (
    USERS_AFFECTED,
    USERS_AFFECTED_MEANING,
)
from stacks.components.monitoring.stage_metrics import StageMetrics


class StageAlarms(Construct):
    """Alarms that notify a topic when they are raised and when they end.

    With `alarms = "full"`, the alarms on what users notice are combined in one: it notifies the
    topic of urgent alarms once, and the others give the details to the topic of warnings.

    Attributes:
        alarms: all alarms, the combined one first.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        definitions: Sequence[AlarmDefinition],
        combined: bool,
        metrics: StageMetrics,
        urgent: sns.ITopic,
        warnings: sns.ITopic,
    ) -> None:
        super().__init__(scope, construct_id)
        self._metrics = metrics
        self.alarms: list[cloudwatch.IAlarm] = []
        parts: list[cloudwatch.IAlarm] = []
        for definition in definitions:
            alarm = self._alarm(definition)
            self.alarms.append(alarm)
            is_part = combined and definition.affects_users
            if is_part:
                parts.append(alarm)
            is_urgent = definition.severity is Severity.URGENT and not is_part
            _notify(alarm, urgent if is_urgent else warnings)
        if combined:
            self.alarms.insert(0, self._combine(parts, urgent))

    def _combine(self, alarms: Sequence[cloudwatch.IAlarm], topic: sns.ITopic) -> cloudwatch.IAlarm:
        rule = cloudwatch.AlarmRule.any_of(
            *(
                cloudwatch.AlarmRule.from_alarm(alarm, cloudwatch.AlarmState.ALARM)
                for alarm in alarms
            )
        )
        combined = cloudwatch.CompositeAlarm(
            self,
            USERS_AFFECTED,
            alarm_rule=rule,
            alarm_description=describe(USERS_AFFECTED_MEANING, USERS_AFFECTED),
        )
        # CDK gives it a name of its own; without one, CloudFormation does, as for other alarms.
        resource = cast(cloudwatch.CfnCompositeAlarm, combined.node.default_child)
        resource.add_property_deletion_override("AlarmName")
        _notify(combined, topic)
        return combined

    def _alarm(self, definition: AlarmDefinition) -> cloudwatch.Alarm:
        return cloudwatch.Alarm(
            self,
            definition.name,
            alarm_description=definition.description,
            metric=self._metric(definition),
            threshold=definition.threshold,
            evaluation_periods=definition.minutes,
            datapoints_to_alarm=definition.datapoints,
            comparison_operator=(cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD),
            # Without requests there is no data, which is not an error.
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )

    def _metric(self, definition: AlarmDefinition) -> cloudwatch.IMetric:
        metrics = {name: self._metrics.of(source) for name, source in definition.metrics.items()}
        if definition.expression is None:
            (metric,) = metrics.values()
            return metric
        return cloudwatch.MathExpression(
            expression=definition.expression,
            using_metrics=metrics,
            label=definition.name,
            period=Duration.minutes(1),
        )


def _notify(alarm: cloudwatch.AlarmBase, topic: sns.ITopic) -> None:
    action = actions.SnsAction(topic)
    alarm.add_alarm_action(action)
    alarm.add_ok_action(action)
