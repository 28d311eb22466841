"""[network]: where the stage runs, and what cannot run there."""

from pathlib import Path

import pytest

from tests.stacks.settings.stage_file import load_text, refusal_of, section

EXISTING = {
    "vpc": '"existing"',
    "vpc_id": '"vpc-0a1b2c3d"',
    "subnet_ids": '["subnet-0a1b2c3d", "subnet-11112222333344445"]',
}
OWN = {"vpc": '"own"'}
REGION = 'account = "123456789012"\nregion = "eu-central-1"\n'


def network(values: dict[str, str], **changes: str) -> str:
    return section("network", {**values, **changes})


def test_nothing_is_placed_by_default(tmp_path: Path) -> None:
    settings = load_text(tmp_path, "").network
    assert not settings.enabled
    assert not any(settings.places(part) for part in settings.placed)


@pytest.mark.parametrize("values", [OWN, EXISTING])
def test_all_is_placed_or_what_is_named(tmp_path: Path, values: dict[str, str]) -> None:
    settings = load_text(tmp_path, network(values)).network
    assert [settings.places(part) for part in ("endpoint", "training", "functions")] == [True] * 3
    settings = load_text(tmp_path, network(values, placed='["training"]')).network
    assert [settings.places(part) for part in ("endpoint", "training", "functions")] == [
        False,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("name", "value", "used_by"),
    [
        ("vpc_id", '"vpc-0a1b2c3d"', "existing"),
        ("subnet_ids", '["subnet-0a1b2c3d", "subnet-1a1b2c3d"]', "existing"),
        ("address_range", '"10.1.0.0/16"', "own"),
        ("availability_zones", '["eu-central-1a", "eu-central-1b"]', "own"),
        ("placed", '["training"]', "own or existing"),
        ("s3_prefix_list_id", '"pl-0a1b2c3d"', "own or existing"),
    ],
)
def test_a_setting_without_effect_is_refused(
    tmp_path: Path, name: str, value: str, used_by: str
) -> None:
    for vpc in {"none", "own", "existing"} - {*used_by.split(" or ")}:
        values = {} if vpc == "none" else OWN if vpc == "own" else EXISTING
        refusal = refusal_of(tmp_path, network(values, **{name: value}))
        assert refusal == (
            f"network.{name} has no effect with network.vpc = '{vpc}': expected vpc {used_by}, or "
            f"no {name}"
        )


@pytest.mark.parametrize(
    "changes",
    [
        {"vpc_id": None},
        {"subnet_ids": '["subnet-0a1b2c3d"]'},
        {"subnet_ids": "[" + ", ".join(f'"subnet-{each:08x}"' for each in range(17)) + "]"},
    ],
)
def test_an_existing_network_has_subnets_in_two_zones(
    tmp_path: Path, changes: dict[str, str | None]
) -> None:
    values = {name: value for name, value in (EXISTING | changes).items() if value is not None}
    assert refusal_of(tmp_path, section("network", values)).startswith(
        'network.vpc = "existing": expected vpc_id and 2 to 16 subnet_ids'
    )


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("10.0.0.0/15", "expected a /16 to a /24"),
        ("10.0.0.0/25", "expected a /16 to a /24"),
        ("10.0.0.1/20", "has host bits set; expected a range such as 10.0.0.0/20"),
        ("10.0.0.300/20", "expected a range such as 10.0.0.0/20"),
        ("ten", "network.address_range = 'ten': expected a range of addresses such as"),
    ],
)
def test_the_range_is_one_that_aws_accepts(tmp_path: Path, value: str, told: str) -> None:
    refusal = refusal_of(tmp_path, network(OWN, address_range=f'"{value}"'))
    assert refusal.startswith(f"network.address_range = '{value}': ")
    assert told in refusal


@pytest.mark.parametrize("zones", ['["eu-central-1a"]', str([f"eu-central-1{z}" for z in "abcde"])])
def test_a_network_of_its_own_has_two_to_four_zones(tmp_path: Path, zones: str) -> None:
    refusal = refusal_of(tmp_path, network(OWN, availability_zones=zones))
    assert refusal.endswith("expected 2 to 4, or none")


def test_zones_are_those_of_the_stages_region(tmp_path: Path) -> None:
    zones = '["eu-central-1a", "eu-central-1c"]'
    assert load_text(tmp_path, network(OWN, availability_zones=zones)).network.enabled
    load_text(tmp_path, REGION + network(OWN, availability_zones=zones))
    other = '["eu-central-1a", "eu-west-1a"]'
    assert refusal_of(tmp_path, REGION + network(OWN, availability_zones=other)) == (
        "network.availability_zones names 'eu-west-1a': expected zones of region = 'eu-central-1'"
    )


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({**OWN, "placed": "[]"}, "network.placed = []: expected at least one of endpoint, "),
        (
            {**OWN, "placed": '["training", "training"]'},
            "network.placed names one twice: expected each once",
        ),
        (
            {**EXISTING, "subnet_ids": '["subnet-0a1b2c3d", "subnet-0a1b2c3d"]'},
            "network.subnet_ids names one twice",
        ),
        ({**OWN, "placed": '["page"]'}, "network.placed[0] = 'page': expected one of endpoint, "),
    ],
)
def test_lists_name_each_once(tmp_path: Path, values: dict[str, str], told: str) -> None:
    assert refusal_of(tmp_path, section("network", values)).startswith(told)


def test_serverless_inference_runs_in_no_network(tmp_path: Path) -> None:
    serverless = section("serving", {"mode": '"serverless"'})
    refusal = refusal_of(tmp_path, serverless + network(EXISTING))
    assert "Serverless Inference does not run in a network of yours" in refusal
    assert "expected network.placed without endpoint, or mode instances" in refusal
    others = network(EXISTING, placed='["training", "functions"]')
    assert load_text(tmp_path, serverless + others).serving.is_serverless


def test_images_by_url_need_a_way_out(tmp_path: Path) -> None:
    by_url = section("api", {"url_hosts": '["images.example.com"]'})
    refusal = refusal_of(tmp_path, by_url + network(OWN))
    assert refusal.startswith("api.url_hosts with network.vpc = 'own': ")
    assert "would have no internet access" in refusal
    load_text(tmp_path, by_url + network(OWN, placed='["endpoint", "training"]'))
    load_text(tmp_path, by_url + network(EXISTING))


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        (network(OWN), network(OWN, placed='["training"]'), True),
        (network(OWN), network(OWN, address_range='"10.1.0.0/20"'), False),
        (network(OWN), network(OWN, availability_zones='["us-east-1a", "us-east-1b"]'), False),
        (network(OWN), network(EXISTING), False),
        (network(EXISTING), network(EXISTING, vpc_id='"vpc-1a1b2c3d"'), False),
        (
            network(EXISTING),
            network(EXISTING, subnet_ids='["subnet-0a1b2c3d", "subnet-3a1b2c3d"]'),
            True,
        ),
    ],
)
def test_the_identity_is_what_cannot_change_in_place(
    tmp_path: Path, before: str, after: str, same: bool
) -> None:
    identities = [load_text(tmp_path, text).network.identity for text in (before, after)]
    assert (identities[0] == identities[1]) is same
