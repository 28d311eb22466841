"""The review of a deployment: what it says, and where it is written."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.changed_settings import with_changes
from tests.tools.delivery.pipeline_assembly import REASON, TEMPLATES, policy, write_assembly
from tools.account.account import read_stage
from tools.console import ToolError
from tools.delivery import review

ROLE = "arn:aws:iam::222222222222:role/whippet-prod-read-templates"


class FakeAws:
    """S3 in the pipeline's account, and CloudFormation in that of the stage."""

    def __init__(self, templates: dict[str, Any]) -> None:
        self.templates = templates
        self.written: dict[tuple[str, str], tuple[str, str]] = {}
        self.assumed: list[str | None] = []
        self.denied = False

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, ContentType: str) -> None:  # noqa: N803
        self.written[Bucket, Key] = (Body.decode(), ContentType)

    def get_template(self, *, StackName: str, TemplateStage: str) -> dict[str, Any]:  # noqa: N803
        assert TemplateStage == "Original"
        if StackName not in self.templates:
            message = f"Stack with id {StackName} does not exist"
            raise ClientError(
                {"Error": {"Code": "ValidationError", "Message": message}}, "GetTemplate"
            )
        return {"TemplateBody": self.templates[StackName]}

    def clients(self, _settings: Any, role: str | None) -> Callable[[str], Any]:
        self.assumed.append(role)
        if self.denied:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": ROLE}}, "AssumeRole")
        return {"cloudformation": self}.__getitem__


Run = Callable[..., dict[str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def review_with(aws: FakeAws, stacks: Iterable[str] = TEMPLATES) -> dict[str, str]:
        assembly = write_assembly(tmp_path / "cdk out", stacks=stacks)
        monkeypatch.setattr(review, "stage_clients", aws.clients)
        monkeypatch.setattr("boto3.client", lambda service: {"s3": aws}[service])
        monkeypatch.setattr(
            "sys.argv",
            [
                "review", "--stage", "prod", "--assembly", str(assembly), "--role-arn", ROLE,
                "--to", "s3://reviews/reviews/0a1b/prod",
            ],
        )  # fmt: skip
        review.main()
        assert aws.assumed == [ROLE]
        texts = {}
        for (bucket, key), (text, content_type) in aws.written.items():
            folder, _, name = key.rpartition("/")
            assert (bucket, folder) == ("reviews", "reviews/0a1b/prod")
            assert content_type == "text/plain; charset=utf-8"  # the console shows it
            texts[name] = text
        printed = capsys.readouterr().out
        assert all(text in printed for text in texts.values())
        return texts

    return review_with


def test_a_widened_permission_is_shown(run: Run) -> None:
    deployed = {**TEMPLATES, "whippet-prod-api": {"Resources": {"Reader": policy("s3:GetObject")}}}
    texts = run(FakeAws(deployed))
    assert set(texts) == {"changes.txt", "cdk-nag.txt"}
    changes = texts["changes.txt"]
    assert "## Changed: whippet-prod-api" in changes
    assert "IAM Statement Changes" in changes
    assert "s3:PutObject" in changes
    assert "\x1b" not in changes
    assert "Unchanged: whippet-prod-storage\n" in changes


def test_a_stack_that_is_not_deployed_is_new(run: Run) -> None:
    changes = run(FakeAws({"whippet-prod-api": TEMPLATES["whippet-prod-api"]}))["changes.txt"]
    assert "## New: whippet-prod-storage" in changes
    assert "[+] AWS::S3::Bucket" in changes
    assert "Unchanged: whippet-prod-api\n" in changes


@pytest.mark.parametrize(("encryption", "refused"), [("aws", True), ("kms", False)])
def test_a_change_that_takes_the_key_away_is_written_and_refused(
    run: Run, monkeypatch: pytest.MonkeyPatch, encryption: str, *, refused: bool
) -> None:
    settings = with_changes(read_stage("prod"), encryption=encryption)
    monkeypatch.setattr(review, "read_stage_of_account", lambda _: settings)
    storage = TEMPLATES["whippet-prod-storage"]["Resources"]
    resources = {**storage, "Key": {"Type": "AWS::KMS::Key", "Properties": {}}}
    aws = FakeAws({**TEMPLATES, "whippet-prod-storage": {"Resources": resources}})
    if not refused:
        assert "[-] AWS::KMS::Key" in run(aws)["changes.txt"]
        return
    with pytest.raises(ToolError, match=r'sets encryption = "aws".*the KMS key Key: no role could'):
        run(aws)
    assert {key.rpartition("/")[2] for _, key in aws.written} == {"changes.txt", "cdk-nag.txt"}


OWN = "own 10.0.0.0/20 in first zones: endpoint, training, functions"


@pytest.mark.parametrize(
    ("network", "placement", "told"),
    [
        ({"vpc": "own"}, OWN, None),
        ({"vpc": "own"}, None, None),
        ({"vpc": "none"}, OWN, None),
        ({"vpc": "own", "placed": ("endpoint",)}, OWN, "sets without training and functions"),
        ({"vpc": "existing", "vpc_id": "vpc-0a1b2c3d"}, OWN, "sets existing vpc-0a1b2c3d"),
    ],
)
def test_a_network_that_is_in_use_is_not_changed_in_place(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    network: dict[str, Any],
    placement: str | None,
    told: str | None,
) -> None:
    prod = read_stage("prod")
    settings = with_changes(prod, network=with_changes(prod.network, **network))
    monkeypatch.setattr(review, "read_stage_of_account", lambda _: settings)
    outputs = {} if placement is None else {"Placement": {"Value": placement}}
    group = {"Type": "AWS::EC2::SecurityGroup", "Properties": {"GroupDescription": "A group"}}
    deployed = {"Resources": {"Group": group}, "Outputs": outputs}
    stacks = [*TEMPLATES, "whippet-prod-network"]
    synthesized = {"Resources": {"Group": group}, "Outputs": {"Placement": {"Value": "another"}}}
    monkeypatch.setitem(TEMPLATES, "whippet-prod-network", synthesized)
    aws = FakeAws({**TEMPLATES, "whippet-prod-network": deployed})
    if told is None:
        run(aws, stacks)
        return
    with pytest.raises(ToolError, match=f"The network of the stage is own 10.* {told}"):
        run(aws, stacks)
    changes = aws.written["reviews", "reviews/0a1b/prod/changes.txt"][0]
    # As tools/delivery/changed_templates.py reads it: the path in the stage, then the logical id.
    output = "[~] Output whippet-prod-network/Placement Placement:"
    assert f'{output} {{"Value":"{OWN}"}} to {{"Value":"another"}}' in changes


def test_the_role_does_not_exist_before_the_first_deployment(run: Run) -> None:
    aws = FakeAws(TEMPLATES)
    aws.denied = True
    changes = run(aws, stacks=["whippet-prod-storage"])["changes.txt"]
    assert "could not be read, so all of the stage is listed as new" in changes
    assert ROLE in changes
    assert "## New: whippet-prod-storage" in changes


def test_findings_of_this_stage_and_their_reasons(run: Run) -> None:
    findings = run(FakeAws(TEMPLATES))["cdk-nag.txt"]
    assert "Open findings of prod: 1\n  AwsSolutions-S1\n    prod/whippet-prod-storage" in findings
    assert "other/" not in findings
    assert "Acknowledged findings of prod: 2" in findings
    assert (
        "  AwsSolutions-IAM5[Resource::<Bucket.Arn>/*]\n    prod/whippet-prod-api/Reader\n"
        f"    {REASON}"
    ) in findings


def test_an_assembly_without_the_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    aws = FakeAws({})
    monkeypatch.setattr(review, "stage_clients", aws.clients)
    monkeypatch.setattr(
        "sys.argv",
        ["review", "--stage", "prod", "--assembly", str(tmp_path), "--to", "s3://reviews/x"],
    )
    with pytest.raises(ToolError, match=r"assembly-prod is missing.*make synth-pipeline"):
        review.main()
    assert aws.written == {}
