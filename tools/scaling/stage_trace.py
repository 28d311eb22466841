"""The traffic of a deployed stage, as CloudWatch has it."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tools.console import ToolError
from tools.scaling.traces import Trace

DAYS: Final = 14


def trace_of_stage(cloudwatch: Any, endpoint_name: str) -> tuple[Trace, datetime]:
    """Return the invocations of each minute of the last days, and when the first minute begins.

    Args:
        cloudwatch: boto3 client.
        endpoint_name: the endpoint's.

    Raises:
        ToolError: there are none.
    """
    end = datetime.now(UTC).replace(second=0, microsecond=0)
    start = end - timedelta(days=DAYS)
    metric = {
        "Namespace": "AWS/SageMaker",
        "MetricName": "Invocations",
        "Dimensions": [
            {"Name": "EndpointName", "Value": endpoint_name},
            {"Name": "VariantName", "Value": "primary"},
        ],
    }
    query = {"Id": "requests", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}}
    trace = [0.0] * (DAYS * 24 * 60)
    pages = cloudwatch.get_paginator("get_metric_data").paginate(
        MetricDataQueries=[query], StartTime=start, EndTime=end
    )
    for page in pages:
        for result in page["MetricDataResults"]:
            for at, value in zip(result["Timestamps"], result["Values"], strict=True):
                trace[int((at - start).total_seconds() // 60)] = value
    if not any(trace):
        raise ToolError(
            f"CloudWatch has no invocations of the endpoint {endpoint_name} in the last "
            f"{DAYS} days: is the stage deployed and used? TRACE=day simulates a "
            "typical day."
        )
    return trace, start
