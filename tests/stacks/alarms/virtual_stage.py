"""A stage's real alarms, from its template, over traffic in virtual time."""

from collections.abc import Mapping
from typing import Any

from local_cloud.clock import Clock
from local_cloud.cloudwatch.alarms import AlarmEngine
from local_cloud.cloudwatch.queries import Metric
from stacks.components.monitoring.catalogue.definition import name_in
from tests.stacks.alarms.traffic import Sample, Traffic, samples
from tests.stacks.assembly import Assembly, Json, Resource, flatten
from tests.stacks.functions import health_function, proxy_function

ALARM = "AWS::CloudWatch::Alarm"


class VirtualStage:
    """Evaluates the alarms of a stage's template each 10 seconds of virtual time.

    Args:
        assembly: has the template.
        delays: minutes after which the metrics of a namespace arrive.
    """

    def __init__(self, assembly: Assembly, delays: Mapping[str, float] | None = None) -> None:
        self._time = 1_800_000_000.0
        self._delays = delays or {}
        # When it arrives, its time, the sample.
        self._samples: list[tuple[float, float, Sample]] = []
        self._names = known_names(assembly)
        self.records = {
            name_of(alarm): self._record(alarm) for alarm in assembly.resources("monitoring", ALARM)
        }
        self._engine = AlarmEngine(self, Clock(now=lambda: self._time))

    def alarms(self) -> list[Json]:
        return list(self.records.values())

    def change(self, name: str, state: str, _reason: str) -> None:
        self.records[name]["StateValue"] = state

    def read(self, metric: Metric, start: float, end: float) -> float | None:
        dimensions = {
            key: self._names.get(value, value) for key, value in metric.dimensions.items()
        }
        values = sorted(
            value
            for arrives, at, sample in self._samples
            if start <= at < end
            and arrives <= self._time
            and (sample.namespace, sample.name) == (metric.namespace, metric.name)
            and sample.dimensions == dimensions
            and metric.unit in {None, sample.unit}
            for value in sample.values
        )
        return statistic(values, metric.statistic) if values else None

    def minutes(self, count: int, traffic: Traffic) -> set[str]:
        """Let minutes pass, each with the same traffic; return the alarms of any of them."""
        seen: set[str] = set()
        for _ in range(count):
            at = self._time + 30
            self._samples += [
                (at + 60 * self._delays.get(sample.namespace, 0), at, sample)
                for sample in samples(traffic)
            ]
            self._samples = [each for each in self._samples if each[1] > self._time - 3600]
            for _ in range(6):
                self._time += 10
                self._engine.tick()
            seen |= self.raised()
        return seen

    def raised(self) -> set[str]:
        """Return the names of the alarms that are on."""
        return {name for name, alarm in self.records.items() if alarm["StateValue"] == "ALARM"}

    def _record(self, alarm: Resource) -> Json:
        record = _flat(alarm.properties)
        return {**record, "AlarmName": name_of(alarm), "StateValue": "INSUFFICIENT_DATA"}


def name_of(alarm: Resource) -> str:
    """Return an alarm's name in the catalogue."""
    return name_in(alarm.properties["AlarmDescription"])


def statistic(values: list[float], name: str) -> float:
    if name.startswith("p"):
        return values[min(len(values) - 1, int(len(values) * float(name[1:]) / 100))]
    return {
        "Average": sum(values) / len(values),
        "Maximum": max(values),
        "SampleCount": float(len(values)),
        "Sum": sum(values),
    }[name]


def known_names(assembly: Assembly) -> dict[str, str]:
    """Return what the values of the alarms' dimensions stand for, by their readable form."""
    stage = assembly.settings.name
    api_stage = assembly.resource("api", "AWS::ApiGateway::Stage")
    workflow = assembly.resource("training", "AWS::StepFunctions::StateMachine")
    names = {stage: "stage", "<AWS::Region>": "region"}
    if assembly.settings.serving.is_serverless:
        names[assembly.settings.endpoint_name] = "serverless endpoint"
    by_resource = {
        ("api", api_stage.logical_id): "api stage",
        ("api", proxy_function(assembly).logical_id): "proxy",
        ("api", health_function(assembly).logical_id): "health",
        ("training", workflow.logical_id): "workflow",
    }
    for distribution in assembly.resources("web", "AWS::CloudFront::Distribution"):
        by_resource["web", distribution.logical_id] = "page"
    for (purpose, logical_id), name in by_resource.items():
        for output, body in assembly.template(purpose).get("Outputs", {}).items():
            if body["Value"] in ({"Ref": logical_id}, {"Fn::GetAtt": [logical_id, "Arn"]}):
                names[f"<{stage}-{purpose}:{output}>"] = name
    for acl in assembly.resources("api", "AWS::WAFv2::WebACL"):
        output = assembly.template("api")["Outputs"]["FirewallName"]
        # Its Ref is the name, the id and the scope.
        assert flatten(output["Value"]) == f"<part 0 of <{acl.logical_id}>>"
        names[f"<{stage}-api:FirewallName>"] = "web acl"
    return names


def _flat(value: Any) -> Any:
    """Replace references by their readable form."""
    if isinstance(value, list):
        return [_flat(each) for each in value]
    if isinstance(value, dict):
        try:
            return flatten(value)
        except ValueError:
            return {key: _flat(each) for key, each in value.items()}
    return value
