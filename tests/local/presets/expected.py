"""What the systems had, as the services name it."""

from dataclasses import dataclass, field
from typing import Final

OF_BREEDS: Final = ("dogs", "dogs-scaled", "notebook")
INVOCATIONS: Final = "SageMakerVariantInvocationsPerInstance"


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What is read back from the services.

    Attributes:
        instance_type: of the endpoint.
        instances: the fewest and the most.
        target: invocations an instance and minute; None: the system named none.
        cooldown_seconds: in and out; None: the system named none.
        concurrency: provisioned of the function; None: the system named none.
        url_hosts: of which the function fetches images.
        job: machines and their type of a training job; None: the system had none.
        profiled: whether a job's machines are profiled.
        machine: type of the EC2 instance that trains; None: the system had none.
        notebook: type of the notebook instance; None: there is none.
        alarms: threshold and statistic by the metric of API Gateway.
    """

    instance_type: str
    instances: tuple[int, int]
    target: int | None = None
    cooldown_seconds: int | None = None
    concurrency: int | None = None
    url_hosts: str | None = None
    job: tuple[int, str] | None = None
    profiled: bool = False
    machine: str | None = None
    notebook: str | None = None
    alarms: dict[str, tuple[float, str]] = field(default_factory=dict)


EXPECTED: Final = {
    "resnet50": Expected(
        instance_type="ml.m5.large",
        instances=(1, 3),
        alarms={"Latency": (1000, "p99"), "5XXError": (2, "Sum")},
    ),
    "dogs": Expected(
        instance_type="ml.m5.large",
        instances=(1, 3),
        target=25,
        cooldown_seconds=30,
        concurrency=3,
        job=(2, "ml.g4dn.xlarge"),
        machine="g4dn.xlarge",
    ),
    "dogs-scaled": Expected(
        instance_type="ml.m5.xlarge",
        instances=(2, 4),
        target=10,
        cooldown_seconds=30,
        concurrency=4,
        url_hosts="s3.amazonaws.com",
        job=(3, "ml.m5.xlarge"),
        profiled=True,
        machine="g4dn.xlarge",
    ),
    "notebook": Expected(
        instance_type="ml.m5.large",
        instances=(1, 3),
        target=10,
        cooldown_seconds=30,
        concurrency=3,
        machine="t2.micro",
        notebook="ml.t2.medium",
    ),
}
