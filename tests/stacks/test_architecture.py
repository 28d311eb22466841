"""docs/architecture.svg is made from the templates."""

import copy
import json
import re
from typing import Any

import pytest

from tests.stacks.assembly import Json
from tools.architecture.draw import ARCHITECTURE_FILE, draw_architecture
from tools.architecture.plan import BOXES, WAYS
from tools.console import ToolError

STAGE = "whippet-prod"


def draw(templates: dict[str, Json]) -> str:
    return draw_architecture(templates, STAGE)


@pytest.fixture
def changed(whole_templates: dict[str, Json]) -> dict[str, Json]:
    return copy.deepcopy(whole_templates)


def resources(templates: dict[str, Json], stack: str, type_: str) -> dict[str, Any]:
    found = templates[f"{STAGE}-{stack}"]["Resources"].items()
    return {name: each["Properties"] for name, each in found if each["Type"] == type_}


def test_the_drawing_is_made_from_the_templates(whole_templates: dict[str, Json]) -> None:
    assert ARCHITECTURE_FILE.read_text() == draw(whole_templates), "run `make documents`"


def test_a_permission_that_is_gone_is_noticed(changed: dict[str, Json]) -> None:
    for policy in resources(changed, "api", "AWS::IAM::Policy").values():
        statements = policy["PolicyDocument"]["Statement"]
        policy["PolicyDocument"]["Statement"] = [
            each for each in statements if "sagemaker:InvokeEndpoint" not in json.dumps(each)
        ]
    with pytest.raises(ToolError, match="proxy and endpoint have no connection"):
        draw(changed)


@pytest.mark.parametrize(
    ("stack", "type_", "message"),
    [
        ("api", "AWS::WAFv2::WebACLAssociation", "firewall and api have no connection"),
        ("serving", "AWS::ApplicationAutoScaling::ScalableTarget", "serving has no .*Target"),
        ("web", "AWS::CloudFront::Distribution", "web has no .*Distribution"),
    ],
)
def test_a_resource_that_is_gone_is_noticed(
    changed: dict[str, Json], stack: str, type_: str, message: str
) -> None:
    for name in resources(changed, stack, type_):
        del changed[f"{STAGE}-{stack}"]["Resources"][name]
    with pytest.raises(ToolError, match=message):
        draw(changed)


def test_what_the_texts_name_is_that_of_the_templates(changed: dict[str, Json]) -> None:
    (target,) = resources(
        changed, "serving", "AWS::ApplicationAutoScaling::ScalableTarget"
    ).values()
    (configuration,) = resources(changed, "serving", "AWS::SageMaker::EndpointConfig").values()
    (key,) = resources(changed, "storage", "AWS::KMS::Key")
    target |= {"MinCapacity": 2, "MaxCapacity": 7}
    configuration["ProductionVariants"][0]["InstanceType"] = "ml.c6i.large"
    changed[f"{STAGE}-storage"]["Resources"][key]["Type"] = "AWS::KMS::Alias"
    drawn = draw(changed)
    assert ">2 to 7 c6i.large<" in drawn
    assert "KMS" not in drawn
    assert "KMS" in ARCHITECTURE_FILE.read_text()


def test_captures_are_drawn_where_the_endpoint_writes_them(changed: dict[str, Json]) -> None:
    before = draw(changed).count('class="data"')
    bucket = next(
        name
        for name in resources(changed, "storage", "AWS::S3::Bucket")
        if name.startswith("BucketsCaptures")
    )
    changed[f"{STAGE}-storage"]["Outputs"]["Captures"] = {"Value": {"Ref": bucket}}
    output = {"StackName": f"{STAGE}-storage", "OutputName": "Captures"}
    (configuration,) = resources(changed, "serving", "AWS::SageMaker::EndpointConfig").values()
    configuration["DataCaptureConfig"] = {
        "DestinationS3Uri": {"Fn::Join": ["", ["s3://", {"Fn::GetStackOutput": output}]]}
    }
    assert draw(changed).count('class="data"') == before + 2  # a line and its tip


def test_ways_end_at_boxes_and_texts_fit_into_them(whole_templates: dict[str, Json]) -> None:
    for way in WAYS:
        for name, (x, y) in ((way.start, way.points[0]), (way.end, way.points[-1])):
            box = BOXES[name]
            assert x in {box.x, box.x + box.width} or y in {box.y, box.y + 46}, way
            assert box.x <= x <= box.x + box.width, way
            assert box.y <= y <= box.y + 46, way
        for (x, y), (next_x, next_y) in zip(way.points, way.points[1:], strict=False):
            assert (x == next_x) != (y == next_y), "along one axis"
    drawn = draw(whole_templates)
    for box in BOXES.values():
        assert len(box.title) * 7.6 <= box.width, box.title
    widths = {box.x + box.width / 2: box.width for box in BOXES.values()}
    for x, content in re.findall(r'x="([\d.]+)"[^>]*font-size="11">([^<]+)<', drawn):
        assert len(content) * 6 <= widths[float(x)], content
