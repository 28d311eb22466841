import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.bundles import proxy as bundle_proxy
from tools.bundles.proxy import BundleError, collect_files, read_pins, write_bundle

REPOSITORY = Path(__file__).parents[3]
PINS = REPOSITORY / "lambda_src" / "requirements.txt"
# What the Lambda runtime brings, with what that brings.
RUNTIME_PACKAGES = ["boto3", "botocore", "dateutil", "s3transfer", "six.py", "urllib3"]


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return collect_files(REPOSITORY / "lambda_src")


def snapshot(directory: Path) -> dict[str, tuple[bytes, int]]:
    return {
        path.relative_to(directory).as_posix(): (path.read_bytes(), path.stat().st_ino)
        for path in directory.rglob("*")
        if path.is_file()
    }


def names(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


def test_the_pins_are_those_of_the_application() -> None:
    application = {
        canonicalize_name(requirement.name): str(requirement.specifier)
        for line in (REPOSITORY / "requirements.txt").read_text().splitlines()
        if line and not line.startswith((" ", "#"))
        for requirement in [Requirement(line)]
    }

    for name, version in read_pins(PINS).items():
        assert application[canonicalize_name(name)] == f"=={version}", name


def test_the_pins_are_complete() -> None:
    pins = read_pins(PINS)
    bundled_or_in_the_runtime = {*map(canonicalize_name, pins), "boto3", "botocore"}

    for name in pins:
        for line in importlib.metadata.requires(name) or []:
            requirement = Requirement(line)
            environment = {"python_version": "3.13", "extra": ""}
            if requirement.marker is None or requirement.marker.evaluate(environment):
                assert canonicalize_name(requirement.name) in bundled_or_in_the_runtime, line


def test_nothing_compiled_or_useless_is_bundled(files: dict[str, bytes]) -> None:
    suffixes = {Path(name).suffix for name in files}

    assert not suffixes & {".so", ".pyd", ".pyc", ".c"}
    assert not any(part in {"tests", "__pycache__"} for name in files for part in Path(name).parts)
    assert not any(name.startswith(("boto", "..")) for name in files)
    for name in read_pins(PINS):
        stem = name.replace("-", "_")
        in_notes = [path for path in files if path.startswith(f"{stem}-")]
        assert any("LICENSE" in path for path in in_notes), name
        assert any(path.endswith("METADATA") for path in in_notes), name
    assert json.loads(files["bundle.json"])["distributions"] == read_pins(PINS)


def test_the_bundle_runs_with_nothing_but_itself_and_the_runtimes_boto3(
    files: dict[str, bytes], tmp_path: Path
) -> None:
    bundle, runtime = tmp_path / "bundle", tmp_path / "runtime"
    write_bundle(files, bundle, None)
    runtime.mkdir()
    site_packages = Path(str(importlib.metadata.distribution("boto3").locate_file("")))
    for name in RUNTIME_PACKAGES:
        (runtime / name).symlink_to(site_packages / name)
    program = f"""
import sys
sys.path[:0] = [{str(bundle)!r}, {str(runtime)!r}]
import aws_lambda_powertools, jmespath, classifier_proxy.handler, classifier_proxy.health_handler
assert callable(classifier_proxy.handler.handle)
assert callable(classifier_proxy.health_handler.handle)
print(aws_lambda_powertools.__file__, jmespath.__file__, classifier_proxy.__file__)
"""
    environment = {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
        "ENDPOINT_NAME": "whippet-dev",
        "ENDPOINT_READ_TIMEOUT_SECONDS": "4",
        "PAUSED_PARAMETER": "/whippet/dev/paused",
        "LOG_LEVEL": "INFO",
        "POWERTOOLS_SERVICE_NAME": "classifier-proxy",
        "POWERTOOLS_METRICS_NAMESPACE": "Whippet",
        "METRICS": "full",
    }

    result = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-W", "error", "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (result.returncode, result.stderr) == (0, "")
    assert all(path.startswith(str(bundle)) for path in result.stdout.split())
    assert {name: content for name, (content, _) in snapshot(bundle).items()} == files


def test_a_second_run_leaves_the_bundle_untouched(tmp_path: Path, files: dict[str, bytes]) -> None:
    output = tmp_path / "build" / "lambda"

    assert write_bundle(files, output, None)
    before = snapshot(output)

    assert not write_bundle(files, output, None)
    assert snapshot(output) == before
    assert names(output.parent) == ["lambda"]


@pytest.mark.parametrize("name", ["classifier_proxy/handler.py", "left/__pycache__/over.pyc"])
def test_a_bundle_that_differs_is_replaced_as_a_whole(
    tmp_path: Path, files: dict[str, bytes], name: str
) -> None:
    output = tmp_path / "lambda"
    write_bundle(files, output, None)
    (output / name).parent.mkdir(parents=True, exist_ok=True)
    (output / name).write_bytes(b"changed")

    assert write_bundle(files, output, None)
    assert {name: content for name, (content, _) in snapshot(output).items()} == files
    assert names(tmp_path) == ["lambda"]


def test_a_directory_that_is_no_bundle_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "letters.txt").write_text("dear")

    assert bundle_proxy.main(["--output", str(tmp_path)]) == 1
    assert "is not a bundle of the proxy" in capsys.readouterr().err
    assert names(tmp_path) == ["letters.txt"]


@pytest.mark.parametrize(
    ("pin", "reason"),
    [
        ("jmespath==0.0.1", r"jmespath [0-9.]+ is installed, .* pins 0\.0\.1"),
        ("no-such-package-of-whippet==1.0", "is not installed"),
        ("jmespath>=1", "expected name==version, got 'jmespath>=1'"),
        ("jmespath", "line 2: expected name==version"),
    ],
)
def test_pins_that_cannot_be_met_are_an_error_that_names_them(
    tmp_path: Path, pin: str, reason: str
) -> None:
    (tmp_path / "requirements.txt").write_text(f"# pins\n{pin}\n")

    with pytest.raises(BundleError, match=reason):
        collect_files(tmp_path)


def test_the_command_makes_the_bundle_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "lambda"

    assert bundle_proxy.main(["--output", str(output)]) == 0
    assert "written" in capsys.readouterr().out
    assert (output / "classifier_proxy" / "handler.py").is_file()
    assert bundle_proxy.main(["--output", str(output)]) == 0
    assert "unchanged" in capsys.readouterr().out


def test_the_command_says_where_no_byte_code_could_be_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_proxy, "find_interpreter", lambda: None)

    assert bundle_proxy.main(["--output", str(tmp_path / "lambda")]) == 0
    assert "without byte code: no Python 3.13 here" in capsys.readouterr().out
    assert not list(tmp_path.rglob("*.pyc"))


def test_byte_code_is_added_once_an_interpreter_is_installed(
    tmp_path: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_proxy, "RUNTIME_VERSION", sys.version_info[:2])
    output = tmp_path / "lambda"
    own = {name: content for name, content in files.items() if "classifier_proxy" in name}
    own[bundle_proxy.INVENTORY] = b"{}"

    assert write_bundle(own, output, None)
    assert write_bundle(own, output, Path(sys.executable))
    assert not write_bundle(own, output, Path(sys.executable))
    assert len(list(output.rglob("*.pyc"))) == sum(name.endswith(".py") for name in own)
    assert write_bundle(own, output, None)
    assert not list(output.rglob("*.pyc"))


def test_help_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        bundle_proxy.main(["--help"])

    assert caught.value.code == 0
    assert "--output" in capsys.readouterr().out
