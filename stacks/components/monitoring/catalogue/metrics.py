"""The metrics that alarms and dashboard use, as their services document them.

API Gateway: docs.aws.amazon.com/apigateway/latest/developerguide/
api-gateway-metrics-and-dimensions.html. Lambda: docs.aws.amazon.com/lambda/latest/dg/
monitoring-metrics-types.html. SageMaker: docs.aws.amazon.com/sagemaker/latest/dg/
monitoring-cloudwatch.html and serverless-endpoints-monitoring.html. Step Functions:
docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html. WAF:
docs.aws.amazon.com/waf/latest/developerguide/waf-metrics.html. CloudFront: docs.aws.amazon.com/
AmazonCloudFront/latest/DeveloperGuide/programming-cloudwatch-metrics.html. The proxy's
own: docs/metrics.md.
"""

from typing import Final

from stacks.components.monitoring.catalogue.definition import MetricSource, Subject
from stacks.names import METRICS_NAMESPACE

_UNITS: Final = {
    "AWS/ApiGateway": {"Latency": "Milliseconds"},
    "AWS/Lambda": {"Duration": "Milliseconds"},
    "AWS/SageMaker": {
        "ConcurrentRequestsPerModel": "None",
        "Invocations": "None",
        "InvocationsPerInstance": "None",
        "Invocation4XXErrors": "None",
        "Invocation5XXErrors": "None",
        "InvocationModelErrors": "None",
        "ModelLatency": "Microseconds",
        "OverheadLatency": "Microseconds",
        # Of serverless endpoints only.
        "ModelSetupTime": "Microseconds",
        "ServerlessConcurrentExecutionsUtilization": "None",
    },
}


def of_api(name: str, statistic: str) -> MetricSource:
    """Return a metric of the REST API's stage; its errors and requests are counts."""
    unit = _UNITS["AWS/ApiGateway"].get(name, "Count")
    return MetricSource("AWS/ApiGateway", name, Subject.API, unit, statistic)


def of_proxy_function(name: str, statistic: str) -> MetricSource:
    """Return Lambda's metric of the proxy function, which has one alias."""
    unit = _UNITS["AWS/Lambda"].get(name, "Count")
    return MetricSource("AWS/Lambda", name, Subject.PROXY_FUNCTION, unit, statistic)


def of_health_function(name: str, statistic: str) -> MetricSource:
    """Return Lambda's metric of the function of `GET /health`."""
    unit = _UNITS["AWS/Lambda"].get(name, "Count")
    return MetricSource("AWS/Lambda", name, Subject.HEALTH_FUNCTION, unit, statistic)


def of_proxy(name: str, statistic: str, unit: str = "Count") -> MetricSource:
    """Return a metric that the proxy writes itself, with the dimension `service`."""
    return MetricSource(METRICS_NAMESPACE, name, Subject.PROXY, unit, statistic)


def of_endpoint(name: str, statistic: str) -> MetricSource:
    """Return SageMaker's metric of the endpoint's variant; latencies are in microseconds."""
    unit = _UNITS["AWS/SageMaker"][name]
    return MetricSource("AWS/SageMaker", name, Subject.ENDPOINT, unit, statistic)


def of_instances(name: str, statistic: str) -> MetricSource:
    """Return a metric of the endpoint's machines, in percent; of a CPU's cores, their sum."""
    return MetricSource("/aws/sagemaker/Endpoints", name, Subject.ENDPOINT, "Percent", statistic)


def of_workflow(name: str) -> MetricSource:
    """Return the sum of a metric of the state machine that trains."""
    return MetricSource("AWS/States", name, Subject.WORKFLOW, "Count", "Sum")


def of_model(name: str, statistic: str) -> MetricSource:
    """Return a metric of a model's predictions, which the proxy writes with `metrics = "full"`."""
    return MetricSource(METRICS_NAMESPACE, name, Subject.MODEL, "None", statistic)


def instances_in_use(condition: str) -> str:
    """Return an expression for the number of instances that share the invocations.

    Args:
        condition: without which it is 0; over `invocations` and `per_instance`, the sums of
            Invocations and InvocationsPerInstance.
    """
    return f"IF({condition}, invocations / per_instance, 0)"
