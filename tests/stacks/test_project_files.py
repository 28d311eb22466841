"""cdk.json, the pinned CLI and the licence."""

import json
import re
import tarfile
from importlib.resources import files

import pytest

from tests.stacks.assembly import FEATURE_FLAGS, REPOSITORY

CDK_JSON = json.loads((REPOSITORY / "cdk.json").read_text())
CLI_VERSION = "2.1148.1"  # the registry's "latest" is 3.0.0, by accident


@pytest.fixture(scope="module")
def recommended_flags() -> dict[str, object]:
    """Read the flags that the installed aws-cdk-lib recommends."""
    (archive,) = (
        each for each in files("aws_cdk._jsii").iterdir() if each.name.startswith("aws-cdk-lib@")
    )
    with archive.open("rb") as file, tarfile.open(fileobj=file, mode="r|gz") as opened:
        for member in opened:
            if member.name == "package/recommended-feature-flags.json":
                content = opened.extractfile(member)
                assert content is not None
                flags: dict[str, object] = json.load(content)
                return flags
    raise AssertionError("aws-cdk-lib no longer lists its recommended flags")


def test_every_recommended_feature_flag_is_set(recommended_flags: dict[str, object]) -> None:
    assert recommended_flags.items() <= FEATURE_FLAGS.items()


def test_references_between_stacks_are_weak() -> None:
    assert FEATURE_FLAGS["@aws-cdk/core:defaultCrossStackReferences"] == "weak"


def test_the_cli_builds_the_proxy_and_the_page_before_it_synthesizes() -> None:
    python = "sh tools/python.sh"  # of .venv, active or not
    assert CDK_JSON["app"] == f"{python} app.py"
    assert CDK_JSON["build"] == f"{python} -m tools.bundles.proxy && {python} -m tools.bundles.web"


def test_the_command_line_is_pinned_exactly() -> None:
    package = json.loads((REPOSITORY / "package.json").read_text())
    lock = json.loads((REPOSITORY / "package-lock.json").read_text())
    assert package["devDependencies"] == {"aws-cdk": CLI_VERSION}
    assert lock["packages"]["node_modules/aws-cdk"]["version"] == CLI_VERSION
    assert lock["packages"]["node_modules/aws-cdk"]["integrity"].startswith("sha512-")


def test_the_lock_names_no_registry_but_npms() -> None:
    text = (REPOSITORY / "package-lock.json").read_text()
    hosts = set(re.findall(r"https?://([^/\"]+)", text))
    assert hosts <= {"registry.npmjs.org"}


def test_the_app_fits_on_a_page() -> None:
    assert len((REPOSITORY / "app.py").read_text().splitlines()) <= 50


def test_the_licence_is_mit() -> None:
    assert (REPOSITORY / "LICENSE").read_text().startswith("MIT License\n")
    assert json.loads((REPOSITORY / "package.json").read_text())["license"] == "MIT"
    dockerfile = (REPOSITORY / "model_code" / "Dockerfile").read_text()
    assert 'org.opencontainers.image.licenses="MIT"' in dockerfile
