"""The steps of a deployment, in virtual time."""

from typing import Any

import pytest

from local_cloud.clock import Clock
from local_cloud.sagemaker.errors import AwsError
from local_cloud.sagemaker.hosting.rollout import RolledBackError, read_rollout, shift


def configuration(
    routing: dict[str, Any], bake: int = 600, alarms: tuple[str, ...] = ("slow",)
) -> Any:
    return {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": routing,
            "TerminationWaitInSeconds": bake,
        },
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": name} for name in alarms]},
    }


def percent(kind: str, member: str, value: int, wait: int = 300) -> dict[str, Any]:
    size = {"Type": "CAPACITY_PERCENT", "Value": value}
    return {"Type": kind, member: size, "WaitIntervalInSeconds": wait}


ALL_AT_ONCE = {"Type": "ALL_AT_ONCE"}
CANARY = percent("CANARY", "CanarySize", 30)


class Deployment:
    """Runs a rollout; alarms are raised at given times."""

    def __init__(self, minute_seconds: float = 60, **raised_at: float) -> None:
        self.time, self.raised_at = 0.0, raised_at
        self.shares: list[tuple[float, float]] = []
        self.clock = Clock(minute_seconds, now=lambda: self.time, sleep=self.sleep)

    def sleep(self, seconds: float) -> None:
        self.time += seconds

    def raised(self, names: tuple[str, ...]) -> str | None:
        return next((n for n in names if self.time >= self.raised_at.get(n, 1e9)), None)

    def run(self, given: Any, instances: int = 2) -> None:
        shift(
            read_rollout(given, instances),
            set_share=lambda share: self.shares.append((self.time, share)),
            raised=self.raised,
            clock=self.clock,
        )


@pytest.mark.parametrize(
    ("routing", "instances", "shares"),
    [
        (ALL_AT_ONCE, 1, [(0, 1.0)]),
        (CANARY, 2, [(0, 0.5), (300, 1.0)]),
        (CANARY, 4, [(0, 0.5), (300, 1.0)]),
        (percent("CANARY", "CanarySize", 10), 10, [(0, 0.1), (300, 1.0)]),
        (
            percent("LINEAR", "LinearStepSize", 25, wait=60),
            4,
            [(0, 0.25), (60, 0.5), (120, 0.75), (180, 1.0)],
        ),
        (
            {"Type": "LINEAR", "LinearStepSize": {"Type": "INSTANCE_COUNT", "Value": 2}},
            5,
            [(0, 0.4), (0, 0.8), (0, 1.0)],
        ),
    ],
)
def test_the_traffic_is_shifted_in_steps(
    routing: dict[str, Any], instances: int, shares: list[tuple[float, float]]
) -> None:
    deployment = Deployment()
    deployment.run(configuration(routing), instances)
    assert [at for at, _ in deployment.shares] == [at for at, _ in shares]
    assert [share for _, share in deployment.shares] == pytest.approx([s for _, s in shares])
    assert deployment.time == shares[-1][0] + 600


@pytest.mark.parametrize("raised_at", [0, 120, 305, 890])
def test_an_alarm_rolls_back_at_any_time(raised_at: float) -> None:
    deployment = Deployment(slow=raised_at)
    with pytest.raises(RolledBackError, match="the alarm slow is in the state ALARM"):
        deployment.run(configuration(CANARY))
    assert raised_at <= deployment.time <= raised_at + 5
    # An alarm that is already raised ends the deployment before any traffic is shifted.
    assert len(deployment.shares) == (0 if raised_at == 0 else 1 if raised_at <= 300 else 2)


def test_alarms_that_are_not_named_do_not_count_and_minutes_may_be_shorter() -> None:
    deployment = Deployment(minute_seconds=3, other=0.0)
    deployment.run(configuration(ALL_AT_ONCE))
    assert deployment.time == pytest.approx(30)
    deployment = Deployment(slow=0.0)
    deployment.run(configuration(ALL_AT_ONCE, alarms=()))
    deployment.run(None)
    assert deployment.shares[-1] == (600, 1.0)


@pytest.mark.parametrize(
    ("routing", "instances", "reason"),
    [
        (CANARY, 1, "1 of 1 instances; expected at most half of them, so at least two"),
        (percent("CANARY", "CanarySize", 60), 2, "60 percent; expected 1 to 50"),
        (percent("LINEAR", "LinearStepSize", 5), 2, "5 percent; expected 10 to 50"),
        ({"Type": "CANARY"}, 2, "routing CANARY needs CanarySize"),
    ],
)
def test_a_rollout_that_sagemaker_refuses(
    routing: dict[str, Any], instances: int, reason: str
) -> None:
    with pytest.raises(AwsError, match=reason):
        Deployment().run(configuration(routing), instances)
