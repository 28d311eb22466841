"""Training jobs: processes of the job's own program, with SageMaker's states."""

import io
import json
import os
import struct
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.local_cloud.sagemaker import SCOPE, StandInSageMaker
from tests.local_cloud.training_jobs import channel, ended, resources, start, unpacked

LOG_GROUP = "/aws/sagemaker/TrainingJobs"

TRAIN = """
import json, os, sys
from pathlib import Path

channel = Path(os.environ["SM_CHANNEL_TRAIN"])
print("epoch=1 test_accuracy=0.5")
print("epoch=2 test_accuracy=0.9")
model = Path(os.environ["SM_MODEL_DIR"])
(model / "samples").mkdir()
(model / "samples" / "first.jpg").write_bytes((channel / "cat" / "1.jpg").read_bytes())
(model / "environment.json").write_text(json.dumps(dict(os.environ)))
(model / "arguments.json").write_text(json.dumps(sys.argv[1:]))
Path(os.environ["SM_OUTPUT_DATA_DIR"], "report.html").write_text("<html>")
"""


def completed(sagemaker: StandInSageMaker) -> dict[str, Any]:
    sagemaker.s3.objects["datasets", "flowers/v1/train/cat/1.jpg"] = b"cat"
    start(
        sagemaker, TRAIN,
        hyperparameters={"epochs": "3", "name": '"flowers"', "momentum": "0.9"},
        InputDataConfig=[channel("train", "s3://datasets/flowers/v1/train/")],
    )  # fmt: skip
    described = ended(sagemaker)
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    return described


def test_a_job_trains_on_its_channel_and_stores_its_model(sagemaker: StandInSageMaker) -> None:
    described = completed(sagemaker)
    url = described["ModelArtifacts"]["S3ModelArtifacts"]
    assert url == "s3://models/training/job/output/model.tar.gz"
    model = unpacked(sagemaker.s3.objects["models", "training/job/output/model.tar.gz"])
    assert set(model) == {"samples/first.jpg", "environment.json", "arguments.json"}
    assert model["samples/first.jpg"] == b"cat"
    # Flags in the order of their names; values are read as JSON first.
    assert json.loads(model["arguments.json"]) == [
        "--epochs", "3", "--momentum", "0.9", "--name", "flowers",
    ]  # fmt: skip
    archive = sagemaker.s3.objects["models", "training/job/output/model.tar.gz"]
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        # Synthesis reads plain tar alone.
        headers = {(each.uid, each.gid, *each.pax_headers) for each in members}
    assert headers == {(0, 0)}
    output = unpacked(sagemaker.s3.objects["models", "training/job/output/output.tar.gz"])
    assert output == {"report.html": b"<html>"}


def test_a_programs_temporary_folder_is_its_own_and_fits_the_path_of_a_socket(
    sagemaker: StandInSageMaker,
) -> None:
    completed(sagemaker)
    model = unpacked(sagemaker.s3.objects["models", "training/job/output/model.tar.gz"])
    temporary = json.loads(model["environment.json"])["TMPDIR"]
    # As multiprocessing names them, with which torch's data loaders share memory; the path of a
    # socket has at most 103 bytes on macOS.
    assert len(f"{temporary}/pymp-01234567/listener-01234567") <= 103
    assert not Path(temporary).parent.exists(), "it is removed with the job"


def test_the_metrics_are_the_last_values_in_32_bits(sagemaker: StandInSageMaker) -> None:
    (metric,) = completed(sagemaker)["FinalMetricDataList"]
    assert metric["MetricName"] == "test_accuracy"
    assert metric["Value"] == struct.unpack("f", struct.pack("f", 0.9))[0] != 0.9
    published = sagemaker.platform.job_metrics
    dimensions = {"TrainingJobName": "job"}
    assert published == [
        ("test_accuracy", 0.5, dimensions), ("test_accuracy", metric["Value"], dimensions),
    ]  # fmt: skip


def test_the_states_follow_each_other_and_are_announced(sagemaker: StandInSageMaker) -> None:
    described = completed(sagemaker)
    transitions = described["SecondaryStatusTransitions"]
    names = ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert [each["Status"] for each in transitions] == names
    times = [time for each in transitions for time in (each["StartTime"], each["EndTime"])]
    assert times == sorted(times)
    assert described["CreationTime"] <= described["TrainingStartTime"]
    assert described["TrainingEndTime"] == described["LastModifiedTime"] == times[-1]
    assert isinstance(described["TrainingTimeInSeconds"], int)
    events = sagemaker.platform.events
    assert {event[:3] for event in events} == {
        (SCOPE, "aws.sagemaker", "SageMaker Training Job State Change")
    }
    assert [event[3]["SecondaryStatus"] for event in events] == names
    last = events[-1][3]
    assert last["TrainingJobStatus"] == "Completed"
    assert last["TrainingEndTime"] == int(described["TrainingEndTime"] * 1000)
    assert events[-1][4] == [described["TrainingJobArn"]]


def test_the_output_is_in_the_log_stream_of_the_host(sagemaker: StandInSageMaker) -> None:
    completed(sagemaker)
    ((scope, group, stream),) = sagemaker.platform.logs
    assert (scope, group) == (SCOPE, LOG_GROUP)
    job, _, host = stream.partition("/")
    assert job == "job"
    assert host.startswith("algo-1-")
    assert host.removeprefix("algo-1-").isdigit()
    lines = sagemaker.platform.logs[scope, group, stream]
    assert lines == ["epoch=1 test_accuracy=0.5", "epoch=2 test_accuracy=0.9"]
    file = sagemaker.logs / "training" / "job" / "algo-1.log"
    assert file.read_text().splitlines() == lines


def test_a_job_goes_on_where_logs_and_events_cannot_be_written(
    sagemaker: StandInSageMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: Any) -> None:
        raise OSError("the disk is full")

    for name in ("put_log", "put_event"):
        monkeypatch.setattr(sagemaker.platform, name, refuse)
    completed(sagemaker)
    file = sagemaker.logs / "training" / "job" / "algo-1.log"
    assert len(file.read_text().splitlines()) == 2


def test_a_process_has_what_the_image_gives_it_and_no_more(
    sagemaker: StandInSageMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "of-the-laptop")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    completed(sagemaker)
    archive = sagemaker.s3.objects["models", "training/job/output/model.tar.gz"]
    variables = json.loads(unpacked(archive)["environment.json"])
    assert not {"AWS_PROFILE", "HTTPS_PROXY"} & variables.keys()
    assert {name: variables[name] for name in ("SM_HOSTS", "SM_CURRENT_HOST", "SM_CHANNELS")} == {
        "SM_HOSTS": '["algo-1"]', "SM_CURRENT_HOST": "algo-1", "SM_CHANNELS": '["train"]',
    }  # fmt: skip
    assert json.loads(variables["SM_HPS"]) == {"epochs": 3, "name": "flowers", "momentum": 0.9}
    assert variables["SM_HP_EPOCHS"] == "3"
    assert json.loads(variables["SM_USER_ARGS"])[:2] == ["--epochs", "3"]
    assert variables["SM_MODULE_NAME"] == "train"
    assert variables["SM_MODULE_DIR"] == "s3://assets/source.tar.gz"
    assert (variables["SM_NUM_CPUS"], variables["SM_NUM_GPUS"]) == (str(os.cpu_count()), "0")
    assert variables["SM_CURRENT_INSTANCE_TYPE"] == "ml.m5.large"
    assert variables["TRAINING_JOB_NAME"] == "job"
    assert variables["TRAINING_JOB_ARN"].endswith(":training-job/job")
    assert variables["AWS_ENDPOINT_URL"] == sagemaker.platform.endpoint_url
    assert variables["AWS_REGION"] == "us-east-1"
    assert variables["AWS_SESSION_TOKEN"] == "token for sagemaker.amazonaws.com"
    assert Path(variables["SM_MODEL_DIR"]).name == "model"
    assert not Path(variables["SM_MODEL_DIR"]).exists(), "the folders are gone after the job"


HOST = """
import json, os, sys, time
from pathlib import Path

host = os.environ["SM_CURRENT_HOST"]
channel = Path(os.environ["SM_CHANNEL_TRAIN"])
data = sorted(str(p.relative_to(channel)) for p in channel.rglob("*") if p.is_file())
print(host, os.getpid(), os.environ["SM_HOSTS"], os.environ["MASTER_PORT"], *data)
Path(os.environ["SM_MODEL_DIR"], f"{host}.txt").write_text(host)
Path(os.environ["SM_MODEL_DIR"], "both.txt").write_text(host)
"""


@pytest.mark.parametrize(
    ("distribution", "shares"),
    [
        ("FullyReplicated", {"algo-1": ["a", "b", "c/d"], "algo-2": ["a", "b", "c/d"]}),
        ("ShardedByS3Key", {"algo-1": ["a", "c/d"], "algo-2": ["b"]}),
    ],
)
def test_hosts_know_each_other_and_share_one_model(
    sagemaker: StandInSageMaker, distribution: str, shares: dict[str, list[str]]
) -> None:
    for name in ("a", "b", "c/d"):
        sagemaker.s3.objects["datasets", f"train/{name}"] = name.encode()
    start(
        sagemaker, HOST, ResourceConfig=resources(2),
        InputDataConfig=[
            channel("train", "s3://datasets/train", S3DataDistributionType=distribution)
        ],
    )  # fmt: skip
    described = ended(sagemaker)
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    lines = [line.split() for lines in sagemaker.platform.logs.values() for line in lines]
    assert {line[0]: line[4:] for line in lines} == shares
    assert len({line[1] for line in lines}) == 2, "two processes"
    assert {line[2] for line in lines} == {'["algo-1","algo-2"]'}
    assert len({line[3] for line in lines}) == 1, "one port to meet at"
    assert len(sagemaker.platform.logs) == 2
    model = unpacked(sagemaker.s3.objects["models", "training/job/output/model.tar.gz"])
    assert model == {"algo-1.txt": b"algo-1", "algo-2.txt": b"algo-2", "both.txt": b"algo-1"}
