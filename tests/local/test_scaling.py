"""Load makes an endpoint grow from 1 to 3 instances and shrink to 1, and no request fails.

On a cloud with short minutes, through real requests, with the scaling of the deployed template;
only its target is smaller, so that fewer requests are enough. What happened is compared with
`make scaling`'s simulation of the same requests: both follow our reading of AWS's rules.
"""

import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from local_cloud.autoscaling.policy import Bounds, TargetTracking
from tests.local.conftest import DEMO_MODEL
from tests.local.short_minutes import cloud_of_short_minutes
from tests.local.test_api import GOOD
from tests.local.waiting import wait_for_endpoint
from tools.aws import aws_client
from tools.local.deployment import LocalDeployment
from tools.scaling.simulation import Plan, simulate
from tools.scaling.traces import read_trace

MINUTE_SECONDS = 0.6
TARGET = 10.0
ENDPOINT = "scaled"
RESOURCE = f"endpoint/{ENDPOINT}/variant/primary"
METRIC = {
    "Namespace": "AWS/SageMaker",
    "MetricName": "Invocations",
    "Dimensions": [
        {"Name": "EndpointName", "Value": ENDPOINT}, {"Name": "VariantName", "Value": "primary"},
    ],
}  # fmt: skip
TYPES = {f"AWS::ApplicationAutoScaling::{kind}" for kind in ("ScalableTarget", "ScalingPolicy")}
Client = Callable[[str], Any]


@pytest.fixture(scope="module")
def assembly(state: Path, deployment: LocalDeployment) -> Path:
    """The templates and images of the deployed stage."""
    found = state / "assembly"
    assert deployment.endpoint_name in (found / "manifest.json").read_text()
    return found


@pytest.fixture(scope="module")
def environment(
    assembly: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """The environment of a cloud with short minutes, which runs the images of the assembly."""
    directory = tmp_path_factory.mktemp("scaling") / "cloud"
    with cloud_of_short_minutes(directory, assembly, MINUTE_SECONDS) as status:
        yield status["environment"]


def create_endpoint(client: Client, container: dict[str, Any]) -> None:
    """Create an endpoint of one instance with the deployed stage's container."""
    client("s3").create_bucket(Bucket="models")
    client("s3").upload_file(str(DEMO_MODEL / "model.tar.gz"), "models", "model.tar.gz")
    trust = {
        "Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }  # fmt: skip
    grant = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::models/*"}
    role = client("iam").create_role(
        RoleName="serving",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )["Role"]["Arn"]
    client("iam").put_role_policy(
        RoleName="serving", PolicyName="read",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [grant]}),
    )  # fmt: skip
    sagemaker = client("sagemaker")
    sagemaker.create_model(
        ModelName="model", ExecutionRoleArn=role,
        PrimaryContainer={
            "Image": container["Image"], "Environment": container["Environment"],
            "ModelDataUrl": "s3://models/model.tar.gz",
        },
    )  # fmt: skip
    variant = {
        "VariantName": "primary", "ModelName": "model", "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }  # fmt: skip
    sagemaker.create_endpoint_config(EndpointConfigName="first", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName="first")
    wait_for_endpoint(sagemaker, ENDPOINT, until="InService")


@pytest.fixture(scope="module")
def short(deployment: LocalDeployment, client: Client, environment: dict[str, str]) -> Client:
    """Clients of the cloud with short minutes, which has an endpoint of the deployed model."""
    served = client("sagemaker").describe_endpoint(EndpointName=deployment.endpoint_name)
    configuration = client("sagemaker").describe_endpoint_config(
        EndpointConfigName=served["EndpointConfigName"]
    )
    model = client("sagemaker").describe_model(
        ModelName=configuration["ProductionVariants"][0]["ModelName"]
    )
    clients: dict[str, Any] = {}

    def find(service: str) -> Any:
        if service not in clients:
            clients[service] = aws_client(service, environment)
        return clients[service]

    create_endpoint(find, model["PrimaryContainer"])
    return find


def deploy_scaling(client: Client, assembly: Path) -> None:
    """Deploy the scaling resources of the stage's own template for the endpoint."""
    template = json.loads((assembly / "whippet-local-serving.template.json").read_text())
    resources = {
        name: body for name, body in template["Resources"].items() if body["Type"] in TYPES
    }
    assert len(resources) == len(TYPES)
    for body in resources.values():
        body.pop("DependsOn", None)
        properties = body["Properties"]
        if "ResourceId" in properties:
            properties["ResourceId"] = RESOURCE
        else:
            properties["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] = TARGET
    cloudformation = client("cloudformation")
    cloudformation.create_stack(
        StackName="scaling", TemplateBody=json.dumps({"Resources": resources})
    )
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName="scaling", WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )


class Load:
    """Sends requests at an even rate, and notes the responses and the number of instances.

    Args:
        client: returns a client of the cloud.
        runtime: sends the requests.
    """

    def __init__(self, client: Client, runtime: Any) -> None:
        self._sagemaker, self._runtime = client("sagemaker"), runtime
        self._pool = ThreadPoolExecutor(max_workers=17)
        self._is_done = threading.Event()
        self._watch = self._pool.submit(self._note_sizes)
        self._responses: list[Future[int]] = []
        self.sizes: dict[int, int] = {}

    def until(self, size: int, *, per_minute: int, more_minutes: int = 0) -> None:
        """Send so many requests in each minute until the endpoint has a size, and some more."""
        timeout = time.monotonic() + 40 * MINUTE_SECONDS
        while self._size() != size:
            assert time.monotonic() < timeout, f"{size} instances expected, got {self.sizes}"
            self._send(1, per_minute)
        self._send(per_minute * more_minutes, per_minute)

    def end(self) -> list[int]:
        """Return the statuses of all responses."""
        self._is_done.set()
        self._watch.result()
        self._pool.shutdown()
        return [response.result() for response in self._responses]

    def size_in(self, minute: int) -> int:
        """Return the number of instances at the end of a minute."""
        return self.sizes[max(known for known in list(self.sizes) if known <= minute)]

    def _send(self, count: int, per_minute: int) -> None:
        for _ in range(count):
            began = time.monotonic()
            self._responses.append(self._pool.submit(self._invoke))
            time.sleep(max(0.0, began + MINUTE_SECONDS / per_minute - time.monotonic()))

    def _invoke(self) -> int:
        response = self._runtime.invoke_endpoint(
            EndpointName=ENDPOINT, Body=GOOD, ContentType="image/png"
        )
        assert json.loads(response["Body"].read())["predictions"]
        status: int = response["ResponseMetadata"]["HTTPStatusCode"]
        return status

    def _note_sizes(self) -> None:
        while not self._is_done.wait(MINUTE_SECONDS / 8):
            described = self._sagemaker.describe_endpoint(EndpointName=ENDPOINT)
            size = described["ProductionVariants"][0]["CurrentInstanceCount"]
            self.sizes[minute_of(time.time())] = size

    def _size(self) -> int:
        assert not self._watch.done(), self._watch.exception()
        return self.size_in(minute_of(time.time())) if self.sizes else 0


def minute_of(moment: float) -> int:
    return int(moment // MINUTE_SECONDS)


def recorded(client: Client, first: int, last: int, path: Path) -> list[float]:
    """Return the requests of each minute that CloudWatch has, as `make scaling` reads a trace."""
    query = {"Id": "requests", "MetricStat": {"Metric": METRIC, "Period": 60, "Stat": "Sum"}}
    # Times of requests are whole seconds; the periods begin at multiples of a minute.
    start = math.floor(first * MINUTE_SECONDS)
    (result,) = client("cloudwatch").get_metric_data(
        MetricDataQueries=[query],
        StartTime=datetime.fromtimestamp(start, UTC),
        EndTime=datetime.fromtimestamp(math.ceil((last + 1) * MINUTE_SECONDS), UTC),
        ScanBy="TimestampAscending",
    )["MetricDataResults"]
    # No minute is without a datapoint: one without a request has a zero.
    found = result["Values"][first - minute_of(start) :][: last + 1 - first]
    assert len(found) == last + 1 - first
    rows = [f"{minute},{requests}" for minute, requests in enumerate(found)]
    path.write_text("\n".join(["minute,requests", *rows]))
    return read_trace(path)


def test_load_grows_and_shrinks_the_fleet_as_simulated(
    assembly: Path, environment: dict[str, str], short: Client, tmp_path: Path
) -> None:
    deploy_scaling(short, assembly)
    first = minute_of(time.time()) + 1
    load = Load(short, runtime_client(environment))
    # Of a target of 10: two instances, then three; then so few for three, and for two.
    try:
        load.until(2, per_minute=15)
        load.until(3, per_minute=27, more_minutes=3)
        load.until(2, per_minute=15)
        load.until(1, per_minute=4, more_minutes=2)
    finally:
        statuses = load.end()
    assert set(statuses) == {200}
    last = minute_of(time.time()) - 1

    activities = short("application-autoscaling").describe_scaling_activities(
        ServiceNamespace="sagemaker", ResourceId=RESOURCE
    )["ScalingActivities"]
    assert [each["Details"].rpartition(", ")[2] for each in reversed(activities)] == [
        "from 1 to 2 instances", "from 2 to 3 instances", "from 3 to 2 instances",
        "from 2 to 1 instances",
    ]  # fmt: skip
    assert {each["StatusCode"] for each in activities} == {"Successful"}
    trace = recorded(short, first, last, tmp_path / "trace.csv")
    outcome = simulate(
        trace,
        Plan(
            policy=TargetTracking(
                target=TARGET, scale_out_cooldown_seconds=30, scale_in_cooldown_seconds=30
            ),
            bounds=Bounds(1, 3),
        ),
        capacity_per_second=1000,
        start_minutes=start_minutes(activities),
    )
    simulated = [minute.instances for minute in outcome.minutes]
    lived = [load.size_in(minute) for minute in range(first, last + 1)]
    minutes = list(zip(simulated, lived, trace, strict=True))
    assert all(abs(wanted - found) <= 1 for wanted, found, _ in minutes), minutes
    assert max(simulated) == max(lived) == 3, minutes


def test_an_alarm_and_a_schedule_change_the_fleet(short: Client) -> None:
    scaling, cloudwatch = short("application-autoscaling"), short("cloudwatch")
    target = {
        "ServiceNamespace": "sagemaker", "ResourceId": RESOURCE,
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }  # fmt: skip
    scaling.register_scalable_target(MinCapacity=1, MaxCapacity=3, **target)
    steps = [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}]
    policy = scaling.put_scaling_policy(
        PolicyName="steps", PolicyType="StepScaling", **target,
        StepScalingPolicyConfiguration={
            "AdjustmentType": "ChangeInCapacity", "StepAdjustments": steps, "Cooldown": 3600,
        },
    )  # fmt: skip
    cloudwatch.put_metric_alarm(
        AlarmName="queue", Namespace="Test", MetricName="Waiting", Statistic="Maximum", Period=60,
        EvaluationPeriods=1, Threshold=5, ComparisonOperator="GreaterThanThreshold",
        AlarmActions=[policy["PolicyARN"]],
    )  # fmt: skip
    cloudwatch.put_metric_data(
        Namespace="Test", MetricData=[{"MetricName": "Waiting", "Value": 9.0}]
    )  # fmt: skip
    wait_for_size(short, 2)
    scaling.put_scheduled_action(
        ScheduledActionName="small", Schedule="rate(1 minute)", **target,
        ScalableTargetAction={"MinCapacity": 1, "MaxCapacity": 1},
    )  # fmt: skip
    wait_for_size(short, 1)
    causes = [
        each["Cause"] for each in scaling.describe_scaling_activities(**target)["ScalingActivities"]
    ]
    assert "maximum capacity was set to 1" in causes
    assert "scheduled action name small was triggered" in causes
    assert "policy steps: alarm queue: 9 is +4 from its threshold" in causes


def wait_for_size(client: Client, size: int) -> None:
    timeout = time.monotonic() + 60 * MINUTE_SECONDS
    found = wait_for_endpoint(client("sagemaker"), ENDPOINT, until="InService")
    while found["ProductionVariants"][0]["CurrentInstanceCount"] != size:
        assert time.monotonic() < timeout, f"{size} instances expected"
        time.sleep(MINUTE_SECONDS / 6)
        found = wait_for_endpoint(client("sagemaker"), ENDPOINT, until="InService")


def start_minutes(activities: list[dict[str, Any]]) -> int:
    """Return the minutes from a decision to instances in service: the longer of both."""
    longest: float = max(
        (each["EndTime"] - each["StartTime"]).total_seconds()
        for each in activities
        if "above" in each["Details"]
    )
    return math.ceil(longest / MINUTE_SECONDS)


def runtime_client(environment: dict[str, str]) -> Any:
    """Return a client that never sends a request again."""
    session = boto3.session.Session(
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_REGION"],
    )
    return session.client(
        "sagemaker-runtime",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        verify=environment["AWS_CA_BUNDLE"],
        config=Config(proxies={}, retries={"total_max_attempts": 1}, max_pool_connections=16),
    )
