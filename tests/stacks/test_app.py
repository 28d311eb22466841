"""app.py, run like by the CDK CLI."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from aws_cdk import App, Stack, Validations
from aws_cdk import aws_s3 as s3
from cdk_nag import AwsSolutionsChecks

import app as application
from stacks.errors import InputError, SettingsError
from stacks.inputs import Inputs
from tests.stacks.assembly import FEATURE_FLAGS, REPOSITORY
from tests.stacks.fake_inputs import write_model

CLI_VERSION = json.loads((REPOSITORY / "package.json").read_text())["devDependencies"]["aws-cdk"]


def run_app(
    outdir: Path, context: dict[str, str], **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run app.py like the CDK CLI: with context and output folder, without an account."""
    inherited = {
        key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "CDK_"))
    }
    node_first = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    return subprocess.run(
        [sys.executable, "app.py"],
        cwd=REPOSITORY,
        env={
            **inherited,
            "PATH": node_first,
            "CDK_OUTDIR": str(outdir),
            "CDK_CONTEXT_JSON": json.dumps({**FEATURE_FLAGS, **context}),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture
def folders(inputs: Inputs) -> dict[str, str]:
    assert inputs.model.archive is not None
    return {
        "model": str(inputs.model.archive.parent),
        "proxy": str(inputs.proxy_directory),
        "page": str(inputs.page_directory),
    }


def test_prod_synthesizes_and_passes_cloudformations_own_validation(
    folders: dict[str, str], tmp_path: Path
) -> None:
    """The one run with CDK's built-in validation on, as `cdk synth` has it."""
    result = run_app(tmp_path, {**folders, "stage": "prod"}, CDK_VALIDATION="true")
    assert (result.returncode, result.stderr) == (0, "")
    assert len(list(tmp_path.glob("whippet-prod-*.template.json"))) == 7
    report = json.loads((tmp_path / "validation-report.json").read_text())
    assert report["pluginReports"] == []


def test_the_demo_is_warned_of_once_and_not_for_the_laptop(
    folders: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    demo = write_model(tmp_path, training_data={"demo": True})
    build(**{**folders, "model": str(demo)}, stage="local")
    assert capsys.readouterr().err == ""
    build(**{**folders, "model": str(demo)}, stage="prod")
    warning = capsys.readouterr().err
    assert warning.startswith(f"warning: the model in {demo} is the demo (digits-resnet ")
    assert "which the stage prod must not serve" in warning
    assert warning.count("\n") == 1


def test_an_error_is_one_line_without_a_traceback(folders: dict[str, str], tmp_path: Path) -> None:
    result = run_app(tmp_path, {**folders, "model": "build/none"}, CDK_VALIDATION="false")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("error: no model artifact: ")
    assert "`make model`" in result.stderr
    assert result.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_ctrl_c_during_the_imports_ends_it_without_a_word(tmp_path: Path) -> None:
    # jsii starts it when aws_cdk is imported; it waits for the end of its parent.
    node = tmp_path / "node"
    node.write_text('#!/bin/sh\nkill -INT "$PPID"\ncat >/dev/null\n')
    node.chmod(0o755)
    result = run_app(tmp_path / "out", {}, JSII_NODE=str(node))
    assert (result.returncode, result.stdout, result.stderr) == (-signal.SIGINT, "", "")


@pytest.mark.parametrize(
    ("running", "warns"), [(None, False), (CLI_VERSION, False), ("2.1.0", True), ("3.0.0", True)]
)
def test_another_cli_than_the_pinned_one_is_warned_of(
    running: str | None,
    warns: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("CDK_CLI_VERSION", raising=False)
    if running is not None:
        monkeypatch.setenv("CDK_CLI_VERSION", running)
    monkeypatch.setattr(application, "build", lambda _: None)
    assert application.main() is None
    printed = capsys.readouterr()
    assert printed.out == ""
    if not warns:
        assert printed.err == ""
        return
    assert printed.err.startswith(f"warning: this is version {running} of the CDK command line")
    assert CLI_VERSION in printed.err
    assert "`make environments`" in printed.err
    assert printed.err.count("\n") == 1


def build(**context: str) -> App:
    app = App(context={**FEATURE_FLAGS, **context}, analytics_reporting=False)
    application.build(app)
    return app


def names(app: App) -> set[str]:
    return {child.node.id for child in app.node.children if child.node.id.startswith("whippet-")}


def test_the_stage_is_dev_unless_another_is_named(folders: dict[str, str]) -> None:
    assert names(build(**folders)) == {
        f"whippet-dev-{purpose}"
        for purpose in ("storage", "training", "serving", "batch", "api", "web", "monitoring")
    }
    assert "whippet-local-api" in names(build(**folders, stage="local"))


def test_the_command_line_chooses_the_preset_of_local(folders: dict[str, str]) -> None:
    app = build(**folders, stage="local", preset="dogs-scaled")
    api = app.node.find_child("whippet-local-api")
    assert isinstance(api, Stack)
    alias = api.node.find_child("Proxy").node.find_child("Alias").node.default_child
    provisioned = api.resolve(alias.provisioned_concurrency_config)  # type: ignore[union-attr]
    assert provisioned == {"provisionedConcurrentExecutions": 4}


def test_an_empty_preset_does_not_fall_back(folders: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="PRESET = '' is no preset"):
        build(**folders, stage="local", preset="")


def test_an_empty_stage_does_not_fall_back(folders: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="stage = ''"):
        build(**folders, stage="")


def test_missing_proxy_code_is_named(folders: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"python -m tools\.bundles\.proxy"):
        build(**{**folders, "proxy": str(tmp_path)})


def test_relative_folders_are_of_the_repository(folders: dict[str, str]) -> None:
    relative = os.path.relpath(folders["model"], REPOSITORY)
    assert names(build(**{**folders, "model": relative}))


def test_an_unknown_stage_names_those_that_are(folders: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="stage = 'prdo': expected one of dev, local, prod"):
        build(**folders, stage="prdo")


def test_a_missing_model_names_what_builds_it(folders: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="`make model`"):
        build(**{**folders, "model": str(tmp_path)})


def test_a_failed_check_is_a_report_and_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def build_carelessly(app: App) -> None:
        s3.Bucket(Stack(app, "careless"), "Bucket")
        Validations.of(app).add_plugins(AwsSolutionsChecks(app))

    monkeypatch.setattr(application, "build", build_carelessly)
    message = application.main()
    assert message is not None
    assert message.startswith("error: ")
    assert "AwsSolutions-S1" in message
