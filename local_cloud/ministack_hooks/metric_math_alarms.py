"""Alarms on metric math as a CloudFormation type; MiniStack rejects them."""

from typing import Any

from ministack.services.cloudformation import provisioners

from local_cloud.request_parameters import request_parameters
from local_cloud.sagemaker.errors import validation_error
from local_cloud.sagemaker.validation import check_request

# PutMetricAlarm rejects these together with Metrics.
SINGLE_METRIC = (
    "Dimensions",
    "ExtendedStatistic",
    "MetricName",
    "Namespace",
    "Period",
    "Statistic",
    "Unit",
)


def install_metric_math_alarms() -> None:
    """Create, update, replace and delete an alarm with `Metrics` like any other."""
    original = provisioners._cw_metric_alarm_record

    def record(name: str, properties: dict[str, Any]) -> Any:
        if "Metrics" not in properties:
            return original(name, properties)
        metrics = checked_metrics(name, properties)
        # MiniStack needs a metric for the other members of the record.
        placeholder = {"MetricName": "none", "Namespace": "none"}
        others = {key: value for key, value in properties.items() if key != "Metrics"}
        alarm = original(name, {**others, **placeholder})
        single = {key: value for key, value in alarm.items() if key not in SINGLE_METRIC}
        return {**single, "Metrics": metrics}

    provisioners._cw_metric_alarm_record = record


def checked_metrics(name: str, properties: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the queries as PutMetricAlarm accepts them."""
    if mixed := [member for member in SINGLE_METRIC if member in properties]:
        raise validation_error(f"Metrics cannot be combined with {', '.join(mixed)}")
    parameters = request_parameters(
        "cloudwatch", "PutMetricAlarm", {**properties, "AlarmName": name}
    )
    check_request("cloudwatch", "PutMetricAlarm", parameters)
    queries: list[dict[str, Any]] = parameters["Metrics"]
    if len([query for query in queries if query.get("ReturnData", True)]) != 1:
        raise validation_error("Exactly one element of the metrics list should return data")
    return queries
