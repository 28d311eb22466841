"""Prices of AWS in US dollars, in us-east-1. Those without a date are not verified."""

from dataclasses import dataclass
from typing import Final

REGION: Final = "us-east-1"


@dataclass(frozen=True)
class Price:
    """A price.

    Attributes:
        dollars: for one unit.
        as_of: the day on which AWS had it; None: not verified.
    """

    dollars: float
    as_of: str | None = None


# Of a SageMaker endpoint: aws.amazon.com/sagemaker/ai/pricing
INSTANCE_HOUR: Final = {
    "ml.m5.large": Price(0.115, "2026-07-30"),
    "ml.m5.xlarge": Price(0.23, "2026-09-28"),
    "ml.c5.large": Price(0.102),
    "ml.c6i.large": Price(0.102),
    "ml.m6i.large": Price(0.115),
    "ml.g4dn.xlarge": Price(0.7364),
    "ml.g5.xlarge": Price(1.408),
}
# Into an endpoint and out of it.
ENDPOINT_GIGABYTE: Final = Price(0.016)
# Of a serverless endpoint, while a container responds.
SERVERLESS_GIGABYTE_SECOND: Final = Price(0.00002, "2026-09-09")
API_REQUEST: Final = Price(3.50e-6, "2026-09-28")
FUNCTION_REQUEST: Final = Price(0.20e-6)
FUNCTION_GIGABYTE_SECOND: Final = {
    "arm64": Price(0.0000133334),
    "x86_64": Price(0.0000166667),
}
FIREWALL_REQUEST: Final = Price(0.60e-6)
# A month, of each metric that an alarm watches.
ALARM_METRIC_MONTH: Final = Price(0.10, "2026-09-28")
# A month.
KEY_MONTH: Final = Price(1.00, "2026-09-28")
CUSTOM_METRIC_MONTH: Final = Price(0.30)
DASHBOARD_MONTH: Final = Price(3.00)
FIREWALL_MONTH: Final = Price(5.00)
FIREWALL_RULE_MONTH: Final = Price(1.00)
STORED_GIGABYTE_MONTH: Final = Price(0.023)  # S3
IMAGE_GIGABYTE_MONTH: Final = Price(0.10)  # ECR
# While it is kept ready, whether it works or not.
PROVISIONED_GIGABYTE_SECOND: Final = {
    "arm64": Price(0.0000033334),
    "x86_64": Price(0.0000041667),
}
# Of a training job: aws.amazon.com/sagemaker/ai/pricing
TRAINING_HOUR: Final = {
    "ml.m5.large": Price(0.115),
    "ml.m5.xlarge": Price(0.23),
    "ml.g4dn.xlarge": Price(0.7364),
    "ml.g5.xlarge": Price(1.408),
}
# On demand, with Linux: aws.amazon.com/ec2/pricing/on-demand
MACHINE_HOUR: Final = {
    "t2.micro": Price(0.0116),
    "t3.small": Price(0.0208),
    "m5.large": Price(0.096),
    "m5.xlarge": Price(0.192),
    "g4dn.xlarge": Price(0.526),
    "g5.xlarge": Price(1.006),
}
LOAD_BALANCER_HOUR: Final = Price(0.0225)
NOTEBOOK_HOUR: Final = {"ml.t2.medium": Price(0.0464), "ml.t3.medium": Price(0.05)}
# What CloudWatch has without charge for an account, every month.
FREE_ALARM_METRICS: Final = 10
FREE_CUSTOM_METRICS: Final = 10
FREE_DASHBOARDS: Final = 3
