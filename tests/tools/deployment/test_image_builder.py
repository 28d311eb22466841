"""Problems of the image builder; the builders are stand-ins on PATH."""

from pathlib import Path

import pytest

from tests.tools.deployment.builders import write_builder
from tools.deployment.image_builder import builder_name, builder_problem


@pytest.fixture(autouse=True)
def programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The only folder of PATH, and no CDK_DOCKER."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("CDK_DOCKER", raising=False)
    return folder


def problem() -> str:
    found = builder_problem()
    assert found is not None
    assert "\n" not in found
    return found


def test_docker_is_used_unless_another_is_named(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_builder(programs, "docker")
    write_builder(programs, "finch", info="exit 1")
    assert builder_name() == "docker"
    assert builder_problem() is None
    monkeypatch.setenv("CDK_DOCKER", "finch")
    assert builder_name() == "finch"
    assert "finch is installed but its engine does not respond" in problem()


@pytest.mark.parametrize("name", ["finch", "podman", "a-wrapper-of-docker"])
def test_another_builder_that_runs_is_fine(
    programs: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    program = write_builder(programs, name)
    for named in (name, str(program)):
        monkeypatch.setenv("CDK_DOCKER", named)
        assert builder_problem() is None


def test_nothing_is_installed() -> None:
    assert problem().startswith("docker, which builds the serving image, is not installed.")
    assert "CDK_DOCKER to another builder (docker, finch, podman)" in problem()
    assert "serving.image_uri to a prebuilt image" in problem()


@pytest.mark.parametrize("name", ["finch", "podman"])
def test_another_builder_is_installed_instead_of_docker(programs: Path, name: str) -> None:
    write_builder(programs, name)
    assert f"{name} is: set CDK_DOCKER={name}." in problem()


@pytest.mark.parametrize("name", ["dokcer", "", "finch --debug", "/nowhere/docker"])
def test_cdk_docker_names_no_program(
    programs: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    write_builder(programs, "docker")
    write_builder(programs, "finch")
    monkeypatch.setenv("CDK_DOCKER", name)
    assert f"CDK_DOCKER is {name!r}, and there is no such program on PATH" in problem()


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("docker", "start Docker"),
        ("finch", "`finch vm start`"),
        ("podman", "`podman machine start`"),
        ("nerdctl", "start the engine of `nerdctl`"),
    ],
)
def test_the_engine_does_not_run(
    programs: Path, monkeypatch: pytest.MonkeyPatch, name: str, advice: str
) -> None:
    write_builder(programs, name, info="echo 'Client: 28' ; echo 'no daemon' >&2 ; exit 1")
    monkeypatch.setenv("CDK_DOCKER", name)
    assert f"`{name} info` fails (no daemon)" in problem()
    assert advice in problem()


def test_a_program_that_builds_no_images(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_builder(programs, "git", build_help="git: 'build' is not a git command")
    monkeypatch.setenv("CDK_DOCKER", "git")
    assert "CDK_DOCKER is git, which cannot build images" in problem()
    assert "--build-arg, --platform, --tag" in problem()


def test_a_builder_too_old_to_build_for_another_machine(programs: Path) -> None:
    write_builder(programs, "docker", build_help="  --build-arg list\n  -t, --tag list")
    assert "`docker build --help` does not list --platform" in problem()


def test_a_builder_that_cannot_be_run(programs: Path) -> None:
    (programs / "docker").write_text("#!/nowhere/sh\n")
    (programs / "docker").chmod(0o755)
    assert "`docker info` fails ([Errno 2]" in problem()
