"""What a load test costs, and which limits it exceeds."""

from dataclasses import replace
from typing import Any

import pytest

from stacks.settings.stage import StageSettings
from tools import prices
from tools.console import ToolError
from tools.load.announcement import announce, confirm
from tools.load.cost import Planned, describe_cost, estimate
from tools.load.limits import exceeded_limits

PLANNED = Planned(
    requests=1_000_000,
    minutes=40.0,
    image_bytes=100_000,
    seconds_a_request=0.2,
    through_api=True,
    instances=1,
)


def stage(name: str = "dev", **sections: Any) -> StageSettings:
    return StageSettings.model_validate({"stage": name, **sections})


def total(settings: StageSettings, planned: Planned) -> float:
    return sum(item.dollars or 0.0 for item in estimate(settings, planned))


def test_a_million_requests_through_the_api() -> None:
    settings = stage(api={"memory_mb": 1024, "architecture": "arm64"})
    instances = 2 * (40 + 20) / 60 * 0.115
    function = 0.20 + 1_000_000 * 0.2 * 0.0000133334
    assert total(settings, PLANNED) == pytest.approx(
        3.50 + function + 100 * 0.016 + instances, abs=0.001
    )


def test_half_the_memory_costs_half_the_time_and_a_firewall_costs_more() -> None:
    usual = stage(api={"memory_mb": 1024})
    half = stage(api={"memory_mb": 512})
    time = 1_000_000 * 0.2 * prices.FUNCTION_GIGABYTE_SECOND["arm64"].dollars
    assert total(usual, PLANNED) - total(half, PLANNED) == pytest.approx(time / 2)
    walled = stage(api={"memory_mb": 1024, "firewall_enabled": True})
    assert total(walled, PLANNED) - total(usual, PLANNED) == pytest.approx(0.60)
    intel = stage(api={"memory_mb": 1024, "architecture": "x86_64"})
    assert total(intel, PLANNED) > total(usual, PLANNED)


def test_the_endpoint_alone_costs_its_data_and_the_instances_that_scaling_adds() -> None:
    direct = replace(PLANNED, through_api=False)
    assert total(stage(serving={"max_instance_count": 1}), direct) == pytest.approx(1.6)
    scaled = stage(serving={"max_instance_count": 5})
    assert total(scaled, replace(direct, instances=3)) == pytest.approx(1.6 + 2 * 0.115)
    assert total(scaled, replace(direct, instances=5)) == pytest.approx(1.6)
    entry = {"cron": "0 7 ? * * *", "time_zone": "UTC"}
    bounds = {"min_instance_count": 2, "max_instance_count": 8}
    scheduled = stage(serving={"max_instance_count": 5, "capacity_schedule": [entry | bounds]})
    assert total(scheduled, replace(direct, instances=5)) == pytest.approx(1.6 + 3 * 0.115)


def test_what_has_no_price_or_an_old_one_is_marked() -> None:
    rare = stage(serving={"instance_type": "ml.m7i.large"})
    text = describe_cost(estimate(rare, PLANNED), PLANNED)
    assert "no price  endpoint: up to 2 more ml.m7i.large" in text
    assert "and what has no price here" in text
    usual = describe_cost(estimate(stage(), PLANNED), PLANNED)
    assert "    3.5000  API Gateway: 1,000,000 requests" in usual
    assert "   ~0.2000  Lambda: 1,000,000 requests" in usual
    assert "no price  " not in usual
    assert "(1, 0.67 instance hours) are billed without load too" in usual


@pytest.mark.parametrize(
    ("rate", "requests", "seconds", "named"),
    [
        (11.0, 100, 0.1, ["throttle_requests_per_second = 10"]),
        (10.0, 100, 0.1, []),
        (1.0, 10_001, 0.1, ["10,001 requests exceed api.quota_requests_per_day = 10,000"]),
        (1.0, 6_000, 0.1, ["60 % of the key's quota"]),
        (9.0, 100, 0.5, ["reserved_concurrency = 4"]),
        (1.0, 100, 0.1, []),
    ],
)
def test_limits_of_the_api(rate: float, requests: int, seconds: float, named: list[str]) -> None:
    settings = stage(api={"reserved_concurrency": 4})
    found = exceeded_limits(settings, rate=rate, requests=requests, seconds_a_request=seconds)
    assert len(found) == len(named)
    for sentence, part in zip(found, named, strict=True):
        assert part in sentence


def test_the_limit_of_the_firewall() -> None:
    walls = {"firewall_enabled": True, "firewall_requests_per_minute_per_address": 660}
    settings = stage(api={**walls, "throttle_requests_per_second": 10.0})
    found = [
        exceeded_limits(settings, rate=rate, requests=10, seconds_a_request=0.1)
        for rate in (10.0, 11.0, 11.1)
    ]
    assert [len(sentences) for sentences in found] == [0, 1, 2]
    assert "666 requests a minute exceed" in found[2][1]


@pytest.mark.parametrize(("through_api", "notes"), [(True, 2), (False, 0)])
def test_limits_of_the_api_are_none_of_the_endpoint(
    through_api: bool, notes: int, capsys: pytest.CaptureFixture[str]
) -> None:
    announce(stage(), replace(PLANNED, through_api=through_api), rate=50.0)
    printed = capsys.readouterr().out
    assert printed.count("Note: ") == notes
    assert "USD in us-east-1" in printed


def test_a_laptop_costs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    announce(stage("local"), PLANNED, rate=1.0)
    assert "Costs nothing" in capsys.readouterr().out


class Terminal:
    """A standard input: a person who types, or a script's."""

    def __init__(self, typed: str | None) -> None:
        self._typed = typed

    def isatty(self) -> bool:
        return self._typed is not None

    def readline(self) -> str:
        return self._typed or ""


@pytest.mark.parametrize(
    ("name", "yes", "typed", "message"),
    [
        ("local", False, None, None),
        ("dev", True, None, None),
        ("dev", False, "yes\n", None),
        ("dev", False, "no\n", "Nothing was sent."),
        ("dev", False, "\n", "Nothing was sent."),
        ("dev", False, "", "Nothing was sent."),
        ("dev", False, None, "Nothing was sent. Without a terminal, say YES=1."),
    ],
)
def test_other_stages_than_local_need_a_yes(
    name: str, yes: bool, typed: str | None, message: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    if message is None:
        confirm(stage(name), yes=yes)
        return
    with pytest.raises(ToolError) as raised:
        confirm(stage(name), yes=yes)
    assert str(raised.value) == message


@pytest.mark.parametrize(("memory", "gigabytes"), [(1024, 1), (6144, 6)])
def test_a_serverless_endpoint_costs_the_time_of_its_containers(
    memory: int, gigabytes: int
) -> None:
    serving = {"mode": "serverless", "serverless_memory_mb": memory}
    settings = stage(serving=serving)
    planned = replace(PLANNED, through_api=False, instances=0)
    containers = 1_000_000 * 0.2 * gigabytes * 0.00002
    assert total(settings, planned) == pytest.approx(100 * 0.016 + containers)
    names = [item.name for item in estimate(settings, planned)]
    assert not any("by scaling" in name for name in names)
