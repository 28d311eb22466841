"""The section [notebook]."""

import json
from pathlib import Path

import pytest

from tests.stacks.settings.stage_file import load_text, refusal_of, section

NETWORK: dict[str, object] = {"vpc_id": "vpc-0a1b2c3d", "subnet_id": "subnet-0a1b2c3d"}


def text_of(**values: object) -> str:
    return section("notebook", {key: json.dumps(value) for key, value in values.items()})


def test_it_is_off_by_default(tmp_path: Path) -> None:
    assert not load_text(tmp_path, "").notebook.enabled


@pytest.mark.parametrize("network", [NETWORK, {"direct_internet_access": True}])
def test_a_network_is_chosen(tmp_path: Path, network: dict[str, object]) -> None:
    assert load_text(tmp_path, text_of(enabled=True, **network)).notebook.enabled


def test_without_a_network_it_is_refused(tmp_path: Path) -> None:
    message = refusal_of(tmp_path, text_of(enabled=True))
    assert "notebook.enabled = true: expected vpc_id and subnet_id, or" in message


def test_a_subnet_without_its_network_is_refused(tmp_path: Path) -> None:
    message = refusal_of(tmp_path, text_of(subnet_id="subnet-0a1b2c3d"))
    assert "notebook.vpc_id and notebook.subnet_id: expected both or neither" in message


@pytest.mark.parametrize(("minutes", "accepted"), [(9, False), (10, True), (1440, True), (1441, 0)])
def test_it_stops_after_ten_minutes_to_a_day(tmp_path: Path, minutes: int, accepted: bool) -> None:
    text = text_of(idle_stop_minutes=minutes)
    if accepted:
        assert load_text(tmp_path, text).notebook.idle_stop_minutes == minutes
    else:
        assert "expected a whole number from 10 to 1440" in refusal_of(tmp_path, text)


def test_a_type_that_has_no_notebooks_is_refused(tmp_path: Path) -> None:
    message = refusal_of(tmp_path, text_of(instance_type="ml.t3.mediun"))
    assert "is not an instance type of SageMaker notebooks, did you mean ml.t3.medium?" in message
