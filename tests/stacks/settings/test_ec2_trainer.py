"""The section [ec2_trainer]."""

import json
from pathlib import Path

import pytest

from stacks.settings.ec2_trainer import Ec2TrainerSettings
from tests.stacks.settings.stage_file import load_text, refusal_of, section

NETWORK: dict[str, object] = {"vpc_id": "vpc-0a1b2c3d4e5f60718", "subnet_id": "subnet-0a1b2c3d"}


def text_of(values: dict[str, object]) -> str:
    return section("ec2_trainer", {key: json.dumps(value) for key, value in values.items()})


def load(tmp_path: Path, **values: object) -> Ec2TrainerSettings:
    return load_text(tmp_path, text_of(NETWORK | values)).ec2_trainer


def test_without_a_subnet_it_is_off(tmp_path: Path) -> None:
    assert not load_text(tmp_path, "").ec2_trainer.enabled
    assert load(tmp_path).enabled


@pytest.mark.parametrize("name", sorted(NETWORK))
def test_a_network_and_its_subnet_are_given_together(tmp_path: Path, name: str) -> None:
    message = refusal_of(tmp_path, text_of({name: NETWORK[name]}))
    assert "ec2_trainer.vpc_id and ec2_trainer.subnet_id: expected both or neither" in message


@pytest.mark.parametrize("value", ["subnet-1", "vpc-0a1b2c3d", "subnet-0a1b2c3g", ""])
def test_an_id_that_is_none_is_refused(tmp_path: Path, value: str) -> None:
    message = refusal_of(tmp_path, text_of(NETWORK | {"subnet_id": value}))
    assert f'ec2_trainer.subnet_id = "{value}": expected a subnet' in message.replace("'", '"')


@pytest.mark.parametrize(
    ("kind", "architecture", "has_gpu"),
    [
        ("m5.xlarge", "x86_64", False),
        ("m7g.2xlarge", "arm64", False),
        ("c8gd.metal-24xl", "arm64", False),
        ("g4dn.xlarge", "x86_64", True),
        ("g5g.xlarge", "arm64", True),
        ("p5.48xlarge", "x86_64", True),
        ("t3a.large", "x86_64", False),
        ("u7i-6tb.112xlarge", "x86_64", False),
    ],
)
def test_the_type_tells_the_architecture_and_the_gpu(
    tmp_path: Path, kind: str, architecture: str, has_gpu: bool
) -> None:
    settings = load(tmp_path, instance_type=kind)
    assert (settings.architecture, settings.has_gpu) == (architecture, has_gpu)


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("ml.m5.xlarge", "expected an instance type of EC2 such as g5.xlarge"),
        ("m5", "expected an instance type of EC2"),
        ("trn1.2xlarge", "computes on AWS Inferentia or Trainium"),
        ("inf2.xlarge", "computes on AWS Inferentia or Trainium"),
    ],
)
def test_a_type_that_cannot_train_is_refused(tmp_path: Path, kind: str, problem: str) -> None:
    assert problem in refusal_of(tmp_path, text_of(NETWORK | {"instance_type": kind}))


def test_a_gpu_machine_needs_room_for_its_image(tmp_path: Path) -> None:
    small = {"volume_size_gib": 60}
    gpu = text_of(NETWORK | {"instance_type": "g5.xlarge"} | small)
    assert "volume_size_gib = 60: expected at least 90" in refusal_of(tmp_path, gpu)
    assert load_text(tmp_path, text_of(NETWORK | small)).ec2_trainer.volume_size_gib == 60


@pytest.mark.parametrize(("seconds", "shutdown", "limit"), [(60, 31, 46), (3601, 91, 106)])
def test_the_machine_ends_itself_before_it_is_ended(
    tmp_path: Path, seconds: int, shutdown: int, limit: int
) -> None:
    settings = load(tmp_path, max_runtime_seconds=seconds)
    assert (settings.shutdown_minutes, settings.limit_minutes) == (shutdown, limit)
