"""A stage's real alarms, from its template, over traffic in virtual time."""

from typing import Any

from local_cloud.clock import Clock
from local_cloud.cloudwatch.alarms import AlarmEngine
from local_cloud.cloudwatch.queries import Metric
from tests.stacks.alarms.traffic import Traffic, samples
from tests.stacks.assembly import Assembly, Json, Resource, flatten
from tests.stacks.functions import health_function, proxy_function

ALARM = "AWS::CloudWatch::Alarm"


class VirtualStage:
    """Evaluates the alarms of a stage's template each 10 seconds of virtual time."""

    def __init__(self, assembly: Assembly) -> None:
        self._assembly = assembly
        self._time = 1_800_000_000.0
        self._samples: list[tuple[float, Any]] = []
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
            for at, sample in self._samples
            if start <= at < end
            and (sample.namespace, sample.name) == (metric.namespace, metric.name)
            and sample.dimensions == dimensions
            and metric.unit in {None, sample.unit}
            for value in sample.values
        )
        return statistic(values, metric.statistic) if values else None

    def minutes(self, count: int, traffic: Traffic) -> None:
        """Let minutes pass, each with the same traffic."""
        for _ in range(count):
            arrived = self._time + 30
            self._samples += [(arrived, sample) for sample in samples(traffic)]
            self._samples = [each for each in self._samples if each[0] > self._time - 3600]
            for _ in range(6):
                self._time += 10
                self._engine.tick()

    def raised(self) -> set[str]:
        """Return the names of the alarms that are on."""
        return {name for name, alarm in self.records.items() if alarm["StateValue"] == "ALARM"}

    def _record(self, alarm: Resource) -> Json:
        record = _flat(alarm.properties)
        return {**record, "AlarmName": name_of(alarm), "StateValue": "INSUFFICIENT_DATA"}


def name_of(alarm: Resource) -> str:
    """Return an alarm's name in the catalogue, from its logical id."""
    return alarm.logical_id.removeprefix("Alarms")[:-8]


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
