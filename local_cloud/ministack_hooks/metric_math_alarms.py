"""Alarms on metric math as a CloudFormation type; MiniStack rejects them."""

from typing import Any

from ministack.services.cloudformation import provisioners

from local_cloud.request_parameters import request_parameters
from local_cloud.sagemaker.errors import validation_error
from local_cloud.sagemaker.validation import check_request

# PutMetricAlarm rejects these together with Metrics.
_SINGLE_METRIC = (
    "Dimensions",
    "ExtendedStatistic",
    "MetricName",
    "Namespace",
    "Period",
    "Statistic",
    "Unit",
)
# MiniStack needs a metric for the other members of a record.
PLACEHOLDER = {"MetricName": "none", "Namespace": "none"}


def install_metric_math_alarms() -> None:
    """Create, update, replace and delete an alarm with `Metrics` like any other."""
    original = provisioners._cw_metric_alarm_record

    def record(name: str, properties: dict[str, Any]) -> Any:
        if "Metrics" not in properties:
            return original(name, properties)
        metrics = checked_metrics(name, properties)
        others = {key: value for key, value in properties.items() if key != "Metrics"}
        return with_queries(original(name, others | PLACEHOLDER), metrics)

    provisioners._cw_metric_alarm_record = record


def with_queries(alarm: dict[str, Any], metrics: list[dict[str, Any]]) -> dict[str, Any]:
    """Return MiniStack's record of an alarm with queries in the place of a single metric."""
    others = {key: value for key, value in alarm.items() if key not in _SINGLE_METRIC}
    return others | {"Metrics": metrics}


def checked_metrics(name: str, properties: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the queries as PutMetricAlarm accepts them."""
    if mixed := [member for member in _SINGLE_METRIC if member in properties]:
        raise validation_error(f"Metrics cannot be combined with {', '.join(mixed)}")
    parameters = request_parameters(
        "cloudwatch", "PutMetricAlarm", {**properties, "AlarmName": name}
    )
    check_request("cloudwatch", "PutMetricAlarm", parameters)
    queries: list[dict[str, Any]] = parameters["Metrics"]
    if len([query for query in queries if query.get("ReturnData", True)]) != 1:
        raise validation_error("Exactly one element of the metrics list should return data")
    return queries
