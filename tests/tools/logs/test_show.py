"""`make logs STAGE=dev`; AWS is botocore's stub."""

import itertools
import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import ANY

from tests.tools.stubbed_session import StubbedSession
from tools.console import ToolError, run_tool
from tools.logs import show
from tools.logs.sources import LogFile, local_files

ID = "c6af9ac6-7b61-11e6"
INVOCATION = "52fdfc07-2182"
GROUPS = {"AccessLogs8B620ECA": "access", "ProxyLogs2799388F": "proxy", "Bucket": None}
CONTAINER = "/aws/sagemaker/Endpoints/whippet-dev"


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[StubbedSession]:
    identity = {"Account": "123456789012", "UserId": "u", "Arn": "arn:aws:iam::123456789012:user/u"}
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setattr(sys, "argv", ["show", "--stage", "dev", "--request", ID])
    with ExitStack() as stack:
        stubbed = StubbedSession(stack)
        stubbed.stubs["sts"].add_response("get_caller_identity", identity)
        monkeypatch.setattr("boto3.session.Session", lambda: stubbed)
        yield stubbed


def add_stack(session: StubbedSession) -> None:
    resources = [
        {"LogicalResourceId": name, "PhysicalResourceId": group or "bucket",
         "ResourceType": "AWS::Logs::LogGroup" if group else "AWS::S3::Bucket",
         "LastUpdatedTimestamp": 0, "ResourceStatus": "CREATE_COMPLETE"}
        for name, group in GROUPS.items()
    ]  # fmt: skip
    session.stubs["cloudformation"].add_response(
        "list_stack_resources",
        {"StackResourceSummaries": resources},
        {"StackName": "whippet-dev-api"},
    )


def add_events(
    session: StubbedSession, group: str, pattern: str, *messages: tuple[int, str]
) -> None:
    """Stub the lines of a log group that contain a text, one on each page."""
    pages = [[message] for message in messages] or [[]]
    for number, page in enumerate(pages):
        events = [{"timestamp": time, "message": message} for time, message in page]
        token = {"nextToken": str(number)} if number else {}
        following = {"nextToken": str(number + 1)} if number + 1 < len(pages) else {}
        session.stubs["logs"].add_response(
            "filter_log_events",
            {"events": events, **following},
            {"logGroupName": group, "startTime": ANY, "filterPattern": f'"{pattern}"', **token},
        )


def test_the_lines_of_all_groups_are_in_the_order_of_time(
    session: StubbedSession, capsys: pytest.CaptureFixture[str]
) -> None:
    add_stack(session)
    logged = json.dumps({"message": "function", "function_request_id": INVOCATION})
    add_events(session, "access", ID, (4000, f'{{"request_id": "{ID}"}}'))
    add_events(session, "proxy", ID, (3000, logged), (2500, "earlier"), (2600, '{"_aws": 1}'))
    add_events(session, CONTAINER, ID, (2000, "container"))
    add_events(session, "access", INVOCATION)
    add_events(session, "proxy", INVOCATION, (3500, "REPORT"), (3000, logged))
    add_events(session, CONTAINER, INVOCATION)
    show.main()
    session.stubs["logs"].assert_no_pending_responses()
    lines = [line.split("  ", 2)[1:] for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        ["container", "container"],
        ["ProxyLogs", "earlier"],
        ["ProxyLogs", f"function function_request_id={INVOCATION}"],
        ["ProxyLogs", "REPORT"],
        ["AccessLogs", f"request_id={ID}"],
    ]


def test_a_full_page_without_a_token_is_not_the_end(
    session: StubbedSession, capsys: pytest.CaptureFixture[str]
) -> None:
    add_stack(session)
    full = [(1000 + number // 4, f"line {number}") for number in range(10_000)]
    same = [(3499, f"at once {number}") for number in range(10_000)]
    session.stubs["logs"].add_response(
        "filter_log_events",
        {"events": [{"timestamp": time, "message": message} for time, message in full]},
        {"logGroupName": "access", "startTime": ANY, "filterPattern": f'"{ID}"'},
    )
    for start, events in ((3499, same), (3500, [(4000, "the last")])):
        session.stubs["logs"].add_response(
            "filter_log_events",
            {"events": [{"timestamp": time, "message": message} for time, message in events]},
            {"logGroupName": "access", "startTime": start, "filterPattern": f'"{ID}"'},
        )
    add_events(session, "proxy", ID)
    add_events(session, CONTAINER, ID)
    show.main()
    session.stubs["logs"].assert_no_pending_responses()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 20_001
    assert lines[-1].endswith("the last")


def test_a_group_that_does_not_exist_yet_has_no_lines(session: StubbedSession) -> None:
    add_stack(session)
    add_events(session, "access", ID)
    add_events(session, "proxy", ID)
    session.stubs["logs"].add_client_error("filter_log_events", "ResourceNotFoundException")
    with pytest.raises(ToolError, match=f"No log has a line of the request {ID}"):
        show.main()


def test_a_missing_permission_is_an_error(
    session: StubbedSession, capsys: pytest.CaptureFixture[str]
) -> None:
    add_stack(session)
    session.stubs["logs"].add_client_error(
        "filter_log_events", "AccessDeniedException", "not allowed"
    )
    with pytest.raises(SystemExit) as ended:
        run_tool(show.main)
    assert ended.value.code == 1
    assert "not allowed" in capsys.readouterr().err


def test_a_stage_that_is_not_deployed(session: StubbedSession) -> None:
    session.stubs["cloudformation"].add_client_error(
        "list_stack_resources", "ValidationError", "Stack whippet-dev-api does not exist"
    )
    with pytest.raises(ToolError, match="make deploy STAGE=dev"):
        show.main()


@pytest.mark.parametrize("request_id", ['a" "b', "", "a b", "a" * 129])
def test_what_is_no_request_id_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], request_id: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["show", "--stage", "dev", f"--request={request_id}"])
    with pytest.raises(SystemExit):
        show.main()
    assert "is not a request id: expected that of a response" in capsys.readouterr().err


@pytest.mark.parametrize("hours", ["0", "-1", "inf", "nan", "1e18", "one"])
def test_what_is_no_number_of_hours_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], hours: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["show", "--stage", "dev", f"--hours={hours}"])
    with pytest.raises(SystemExit):
        show.main()
    assert (
        f"'{hours}': expected a number above 0, up to 87840 hours (10 years)"
        in capsys.readouterr().err
    )


def test_following_prints_each_new_line_once(
    session: StubbedSession, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["show", "--stage", "dev", "--follow"])
    add_stack(session)
    polls: list[list[tuple[int, str]]] = [[(1, "one")], [(1, "one"), (2, "two")], [(2, "two")]]
    for poll in polls:
        for group, messages in itertools.zip_longest(("access", "proxy", CONTAINER), [poll]):
            events = [{"timestamp": time, "message": text} for time, text in messages or []]
            session.stubs["logs"].add_response(
                "filter_log_events", {"events": events}, {"logGroupName": group, "startTime": ANY}
            )
    waits = iter((None, None))

    def wait(_seconds: float) -> Any:
        if next(waits, "end") == "end":
            raise KeyboardInterrupt

    monkeypatch.setattr("tools.logs.show.time.sleep", wait)
    with pytest.raises(SystemExit) as ended:
        run_tool(show.main)
    assert ended.value.code == 130
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[2] for line in lines] == ["one", "two"]


def test_local_files_are_the_access_log_and_the_model_servers(tmp_path: Path) -> None:
    (tmp_path / "endpoints" / "whippet-local").mkdir(parents=True)
    instance = tmp_path / "endpoints" / "whippet-local" / "primary-a-1.log"
    instance.write_text('{"time": "2026-11-27T00:00:00+00:00", "message": "x"}\nother\n')
    access, container = local_files(tmp_path)
    assert list(access.lines(0.0, None)) == []
    assert container == LogFile(instance, "container primary-a-1")
    changed = instance.stat().st_mtime
    assert [line.time for line in container.lines(0.0, None)] == [1795737600.0, changed]
    assert [line.text for line in container.lines(0.0, "oth")] == ["other"]
    assert [line.text for line in container.lines(1795737601.0, None)] == ["other"]
    assert list(container.lines(changed + 1, None)) == []
