"""What the policies of a scalable target read: the datapoints of a metric, or alarms."""

from collections.abc import Iterator
from typing import Protocol

from moto.applicationautoscaling.models import FakeApplicationAutoscalingPolicy

from local_cloud.autoscaling.configuration import step_scaling, target_tracking, tracked_metric
from local_cloud.autoscaling.decision import Stepped, Tracked
from local_cloud.autoscaling.scalable_targets import ScalableTarget
from local_cloud.clock import AWS_MINUTE_SECONDS, Clock
from local_cloud.cloudwatch.breach import Breach
from local_cloud.cloudwatch.queries import Periods, Read, read_series


class Alarms(Protocol):
    """The alarms that start step scaling policies."""

    def acting(self, action_arn: str) -> list[Breach]:
        """Return the alarms whose state has this action."""
        ...


class PolicyReader:
    """Reads metrics and alarms for policies.

    Args:
        read: returns a metric's statistic.
        alarms: start step scaling policies.
        clock: the time.
    """

    def __init__(self, read: Read, alarms: Alarms, clock: Clock) -> None:
        self._read, self._alarms, self._clock = read, alarms, clock
        # When an alarm last started a policy: it does so once a minute while its state lasts.
        self._started: dict[tuple[str, str], float] = {}

    def tracked(self, target: ScalableTarget) -> list[Tracked]:
        """Return the target tracking policies and their datapoints."""
        return [
            self._tracked(target, policy)
            for policy in target.policies
            if policy.target_tracking_scaling_policy_configuration
        ]

    def stepped(self, target: ScalableTarget) -> list[Stepped]:
        """Return the step scaling policies that an alarm starts now."""
        return [
            started
            for policy in target.policies
            if policy.step_scaling_policy_configuration
            for started in self._stepped(policy)
        ]

    def _tracked(self, target: ScalableTarget, policy: FakeApplicationAutoscalingPolicy) -> Tracked:
        configuration = policy.target_tracking_scaling_policy_configuration
        metric, seconds = tracked_metric(
            configuration, endpoint_name=target.key.endpoint_name, variant_name=target.variant.name
        )
        found = target_tracking(configuration, self._clock, seconds)
        periods = Periods.before(
            self._clock.now(),
            length=found.period_seconds, count=found.periods_below, seconds=seconds,
        )  # fmt: skip
        return Tracked(
            policy_name=policy.policy_name,
            policy=found,
            datapoints=read_series(metric, periods, self._read),
            ended_at=periods.first + periods.count * periods.length,
        )

    def _stepped(self, policy: FakeApplicationAutoscalingPolicy) -> Iterator[Stepped]:
        """Yield the policy with each alarm that starts it now.

        docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-actions.html
        """
        now, arn = self._clock.now(), policy.policy_arn
        acting = {breach.alarm_name: breach for breach in self._alarms.acting(arn)}
        for key in [key for key in self._started if key[0] == arn and key[1] not in acting]:
            del self._started[key]
        for name, breach in acting.items():
            started = self._started.get((arn, name))
            if started is not None and now - started < self._clock.real_seconds(AWS_MINUTE_SECONDS):
                continue
            self._started[arn, name] = now
            yield Stepped(
                policy_name=policy.policy_name,
                policy=step_scaling(policy.step_scaling_policy_configuration, self._clock),
                breach=breach,
            )
