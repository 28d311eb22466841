"""`make pipeline`: what it refuses before the command line of CDK starts."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from stacks.settings.delivery import PipelineSettings
from tools.console import ToolError
from tools.delivery import pipeline as tool

ACCOUNT = "111111111111"
REGION = "eu-central-1"
CONNECTION = f"arn:aws:codeconnections:{REGION}:{ACCOUNT}:connection/0a1b-2c"
SETTINGS = PipelineSettings.model_validate(
    {
        "account": ACCOUNT,
        "region": REGION,
        "connection_arn": CONNECTION,
        "repository": "example/classifier",
        "stages": ["prod"],
    }
)


class Session:
    """Clients of the pipeline's region with prepared responses."""

    def __init__(self, exits: ExitStack) -> None:
        self._clients: dict[str, Any] = {}
        self.stubs: dict[str, Stubber] = {}
        for service in ("sts", "ssm", "codeconnections"):
            client = boto3.client(
                service, region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x"
            )
            self._clients[service] = client
            self.stubs[service] = exits.enter_context(Stubber(client))

    def client(self, service: str, region_name: str) -> Any:
        assert region_name == REGION
        return self._clients[service]


@pytest.fixture
def session() -> Iterator[Session]:
    with ExitStack() as exits:
        session = Session(exits)
        session.stubs["sts"].add_response("get_caller_identity", {"Account": ACCOUNT})
        yield session


def add_connection(session: Session, status: str) -> None:
    session.stubs["codeconnections"].add_response(
        "get_connection",
        {"Connection": {"ConnectionArn": CONNECTION, "ConnectionStatus": status}},
        {"ConnectionArn": CONNECTION},
    )


def test_all_is_there(session: Session) -> None:
    session.stubs["ssm"].add_response("get_parameter", {"Parameter": {}})
    add_connection(session, "AVAILABLE")
    tool.check_pipeline_account(SETTINGS, session)
    for stub in session.stubs.values():
        stub.assert_no_pending_responses()


def test_what_is_missing_is_said_at_once(session: Session) -> None:
    session.stubs["ssm"].add_client_error("get_parameter", "ParameterNotFound")
    add_connection(session, "PENDING")
    with pytest.raises(ToolError) as caught:
        tool.check_pipeline_account(SETTINGS, session)
    title, bootstrap, connection = str(caught.value).splitlines()
    assert title == "The pipeline cannot be deployed yet:"
    assert f"npx --no-install cdk bootstrap aws://{ACCOUNT}/{REGION} -c pipeline=true" in bootstrap
    assert f"{CONNECTION} is PENDING: confirm it in the console" in connection


def test_a_connection_that_does_not_exist(session: Session) -> None:
    session.stubs["ssm"].add_response("get_parameter", {"Parameter": {}})
    session.stubs["codeconnections"].add_client_error("get_connection", "ResourceNotFoundException")
    with pytest.raises(ToolError, match=rf"{CONNECTION} does not exist: create it"):
        tool.check_pipeline_account(SETTINGS, session)


def test_credentials_of_another_account(session: Session) -> None:
    other = SETTINGS.model_copy(update={"account": "999999999999"})
    with pytest.raises(
        ToolError, match=f"account 999999999999; your credentials belong to {ACCOUNT}"
    ):
        tool.check_pipeline_account(other, session)


def test_a_stage_without_a_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config"
    config.mkdir()
    lines = "\n".join(
        f"{key} = {list(value) if isinstance(value, tuple) else repr(value)}"
        for key, value in SETTINGS.model_dump(exclude_none=True).items()
    )
    (config / "delivery.toml").write_text(f"[pipeline]\n{lines}\n")
    (config / "prod.toml").write_text(
        f'delivery = "pipeline"\naccount = "{ACCOUNT}"\nregion = "{REGION}"\n'
    )
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    monkeypatch.setattr("tools.delivery.lock_file.FOLDER", config / "models")
    monkeypatch.setattr("sys.argv", ["pipeline", "--check"])
    with pytest.raises(ToolError, match=r"model of prod.*`make promote STAGE=prod`, then commit"):
        tool.main()


def test_without_a_pipeline_in_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    monkeypatch.setattr("sys.argv", ["pipeline", "--check"])
    with pytest.raises(ToolError, match=r"config/delivery.toml has no section \[pipeline\]"):
        tool.main()
