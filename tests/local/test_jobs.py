"""Jobs through the HTTP API of a cloud without stacks: IAM, S3, logs, events, and their end."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_cloud.environment import ACCOUNT_ID
from tests.local.conftest import local_cloud, processes_naming
from tests.local.queues import RULES, Queue
from tests.local_cloud.training_jobs import channel, packed, training_request, unpacked
from tools.aws import aws_client

Client = Callable[[str], Any]
TIMEOUT_SECONDS = 60
TRUST = {"Effect": "Allow", "Action": "sts:AssumeRole"}
# Writes as the role, and reads what the role may not.
PROGRAM = """
import os
from pathlib import Path
import boto3

print(boto3.client("sts").get_caller_identity()["Arn"])
s3 = boto3.client("s3")
s3.put_object(Bucket="job-models", Key="by-the-program", Body=b"")
try:
    s3.delete_object(Bucket="job-models", Key="by-the-program")
except Exception as error:
    print(error)
photos = list(Path(os.environ["SM_CHANNEL_TRAIN"]).rglob("*.jpg"))
print(f"images={len(photos)} test_accuracy=0.9")
Path(os.environ["SM_MODEL_DIR"], "weights").write_bytes(photos[0].read_bytes())
"""
ENDLESS = "import time; print('started', flush=True); time.sleep(600)"


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("jobs")
    start(folder)
    yield folder
    local_cloud(folder, "down")


def start(state: Path) -> None:
    ended = local_cloud(
        state, "up", "--port", "0", "--public-port", "0", "--training-python", sys.executable
    )
    assert ended.returncode == 0, ended.stderr


@pytest.fixture(scope="module")
def client(state: Path) -> Client:
    return prepared(state)


def prepared(state: Path) -> Client:
    """Return clients of a cloud with the buckets and the role of the jobs."""
    environment = json.loads(local_cloud(state, "status", "--json").stdout)["environment"]
    s3 = aws_client("s3", environment)
    for bucket in ("job-assets", "job-datasets", "job-models"):
        s3.create_bucket(Bucket=bucket)
    for key in ("flowers/train/cat/1.jpg", "flowers/train/dog/2.jpg"):
        s3.put_object(Bucket="job-datasets", Key=key, Body=b"photo")
    actions = ["s3:GetObject", "s3:ListBucket", "s3:PutObject"]
    create_role(aws_client("iam", environment), "training", "sagemaker.amazonaws.com", actions)
    return lambda service: aws_client(service, environment)


def create_role(
    iam: Any,
    name: str,
    service: str,
    actions: list[str],
    resources: Sequence[str] = ("arn:aws:s3:::job-*",),
) -> str:
    trust = {**TRUST, "Principal": {"Service": service}}
    arn: str = iam.create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]})
    )["Role"]["Arn"]
    allowed = {"Effect": "Allow", "Action": actions, "Resource": list(resources)}
    document = {"Version": "2012-10-17", "Statement": [allowed]}
    iam.put_role_policy(RoleName=name, PolicyName="s3", PolicyDocument=json.dumps(document))
    return arn


def create(client: Client, name: str, program: str, **members: Any) -> None:
    client("s3").put_object(Bucket="job-assets", Key=f"{name}.gz", Body=packed(train=program))
    request = training_request(
        name,
        hyperparameters={"sagemaker_submit_directory": f"s3://job-assets/{name}.gz"},
        OutputDataConfig={"S3OutputPath": "s3://job-models/training"},
        InputDataConfig=[channel("train", "s3://job-datasets/flowers/train")],
    )
    client("sagemaker").create_training_job(**{**request, **members})


def ended(client: Client, name: str) -> dict[str, Any]:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        found: dict[str, Any] = client("sagemaker").describe_training_job(TrainingJobName=name)
        if found["TrainingJobStatus"] not in {"InProgress", "Stopping"}:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{name} still runs")


def log_lines(client: Client, name: str) -> list[str]:
    try:
        events = client("logs").filter_log_events(logGroupName="/aws/sagemaker/TrainingJobs")
    except client("logs").exceptions.ResourceNotFoundException:
        return []
    # The emulator does not select by logStreamNamePrefix.
    return [
        event["message"]
        for event in events["events"]
        if event["logStreamName"].startswith(f"{name}/algo-1-")
    ]


def wait_for_line(client: Client, name: str, line: str) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while line not in log_lines(client, name):
        assert time.monotonic() < deadline, f"{name} did not print {line}"
        time.sleep(0.1)


def watch_jobs(client: Client) -> Queue:
    """Return a queue to which the events of training jobs are sent."""
    pattern = {"source": ["aws.sagemaker"], "detail-type": ["SageMaker Training Job State Change"]}
    queue = Queue(client, "job-events", (RULES,))
    client("events").put_rule(Name="jobs", EventPattern=json.dumps(pattern))
    client("events").put_targets(Rule="jobs", Targets=[{"Id": "queue", "Arn": queue.arn}])
    return queue


def received(queue: Queue) -> list[dict[str, Any]]:
    events = []
    while found := queue.receive():
        events += found
    return events


def test_a_job_has_its_roles_permissions_and_no_others(client: Client) -> None:
    queue = watch_jobs(client)
    create(client, "first", PROGRAM)
    described = ended(client, "first")
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    (metric,) = described["FinalMetricDataList"]
    assert metric["Value"] == pytest.approx(0.9, abs=1e-6)
    assert metric["Value"] != 0.9, "a 32-bit float"
    assert metric["Timestamp"] < described["TrainingEndTime"]
    identity, denied, last = log_lines(client, "first")
    assert ":assumed-role/training/" in identity
    assert "AccessDenied" in denied
    assert last == "images=2 test_accuracy=0.9"
    bucket = client("s3")
    key = "training/first/output/model.tar.gz"
    archive = bucket.get_object(Bucket="job-models", Key=key)["Body"].read()
    assert unpacked(archive) == {"weights": b"photo"}
    assert bucket.head_object(Bucket="job-models", Key="by-the-program")
    events = [event["detail"]["SecondaryStatus"] for event in received(queue)]
    assert sorted(events) == ["Completed", "Downloading", "Starting", "Training", "Uploading"]


@pytest.mark.parametrize(
    ("service", "actions", "message"),
    [
        ("sagemaker.amazonaws.com", ["s3:GetObject"], 'has "s3:ListBucket" permissions on bucket'),
        ("lambda.amazonaws.com", ["s3:*"], "allows principal 'sagemaker.amazonaws.com' to assume"),
    ],
)
def test_a_role_that_cannot_read_the_dataset_is_refused(
    client: Client, service: str, actions: list[str], message: str
) -> None:
    name = f"without-{service.partition('.')[0]}"
    role = create_role(client("iam"), name, service, actions)
    with pytest.raises(ClientError, match=message) as refused:
        create(client, name, PROGRAM, RoleArn=role)
    assert refused.value.response["Error"]["Code"] == "ValidationException"


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ("s3:PutObject", "ClientError: Data download failed:Unable to download object"),
        ("s3:GetObject", "ClientError: Artifact upload failed:Unable to upload"),
    ],
)
def test_a_role_without_one_permission_fails_the_job(
    client: Client, action: str, reason: str
) -> None:
    name = f"only-{action.partition(':')[2]}"
    actions = ["s3:ListBucket", action]
    role = create_role(client("iam"), name, "sagemaker.amazonaws.com", actions)
    create(
        client, name,
        "import os; open(os.environ['SM_MODEL_DIR'] + '/weights', 'w').close()", RoleArn=role,
    )  # fmt: skip
    described = ended(client, name)
    assert described["TrainingJobStatus"] == "Failed"
    assert described["FailureReason"].startswith(reason)
    assert "AccessDenied" in described["FailureReason"]


def test_a_tuning_job_finds_the_best_rate(client: Client) -> None:
    program = "import sys; print(f'test_accuracy={1 - float(sys.argv[2])}')"
    client("s3").put_object(Bucket="job-assets", Key="tune.gz", Body=packed(train=program))
    definition = training_request(
        hyperparameters={"sagemaker_submit_directory": "s3://job-assets/tune.gz"},
        OutputDataConfig={"S3OutputPath": "s3://job-models/training"},
    )
    del definition["TrainingJobName"]
    definition["StaticHyperParameters"] = definition.pop("HyperParameters")
    values = ["0.1", "0.25", "0.5"]
    sagemaker = client("sagemaker")
    sagemaker.create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName="a-name-of-32-letters".ljust(32, "x"),
        HyperParameterTuningJobConfig={
            "Strategy": "Grid",
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "test_accuracy"},
            "ResourceLimits": {"MaxParallelTrainingJobs": 3},
            "ParameterRanges": {
                "CategoricalParameterRanges": [{"Name": "learning_rate", "Values": values}]
            },
        },
        TrainingJobDefinition=definition,
    )
    name = {"HyperParameterTuningJobName": "a-name-of-32-letters".ljust(32, "x")}
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        described = sagemaker.describe_hyper_parameter_tuning_job(**name)
        if described["HyperParameterTuningJobStatus"] != "InProgress":
            break
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert described["HyperParameterTuningJobStatus"] == "Completed"
    best = described["BestTrainingJob"]
    assert best["TunedHyperParameters"] == {"learning_rate": "0.1"}
    assert ended(client, best["TrainingJobName"])["TuningJobArn"].endswith("x")
    listed = sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(**name)
    assert len(listed["TrainingJobSummaries"]) == 3


def test_a_stopped_job_and_a_killed_one(client: Client, state: Path) -> None:
    for name in ("to-stop", "to-kill"):
        create(client, name, ENDLESS)
        wait_for_line(client, name, "started")
    client("sagemaker").stop_training_job(TrainingJobName="to-stop")
    (killed,) = processes_naming(str(state / f"tmp/jobs/training/{ACCOUNT_ID}-us-east-1/to-kill"))
    os.kill(killed, signal.SIGKILL)
    assert ended(client, "to-kill")["FailureReason"] == (
        "AlgorithmError: algo-1 was ended by SIGKILL, exit code: 137"
    )
    stopped = ended(client, "to-stop")
    assert (stopped["TrainingJobStatus"], stopped["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert processes_naming(str(state / "tmp" / "jobs")) == {}


@pytest.mark.parametrize("ending", ["down", "SIGKILL"])
def test_no_job_outlives_its_cloud(tmp_path: Path, ending: str) -> None:
    start(tmp_path)
    client = prepared(tmp_path)
    create(client, "endless", ENDLESS, ResourceConfig={
        "InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 10,
    })  # fmt: skip
    wait_for_line(client, "endless", "started")
    assert len(processes_naming(str(tmp_path / "tmp" / "jobs"))) == 2
    (temporary,) = (link.resolve() for link in tmp_path.glob("tmp/jobs/training/*/endless/tmp"))
    assert temporary.is_dir()
    assert not temporary.is_relative_to(tmp_path)
    if ending == "down":
        began = time.monotonic()
        ended = local_cloud(tmp_path, "down")
        assert (ended.returncode, ended.stdout) == (0, "The local cloud is down.\n")
        assert time.monotonic() - began < 10
    else:
        cloud = json.loads(local_cloud(tmp_path, "status", "--json").stdout)["process_id"]
        os.kill(cloud, signal.SIGKILL)
    deadline = time.monotonic() + 15
    while left := processes_naming(str(tmp_path / "tmp" / "jobs")):
        assert time.monotonic() < deadline, f"still running: {left}"
        time.sleep(0.2)
    local_cloud(tmp_path, "down")
    assert not temporary.exists()
