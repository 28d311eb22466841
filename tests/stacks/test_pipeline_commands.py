"""The commands of the pipeline's projects, from its template, run in a clean clone.

Left out are `make test`, which is skipped as a lock alone would, Docker, and what npm installs.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.byte_code import share_byte_code
from tests.stacks.delivery_pipeline import (
    REGION,
    SHA256,
    STAGE_ACCOUNTS,
    PipelineAssembly,
    pipeline_settings,
)
from tests.stacks.fake_inputs import write_model
from tests.stacks.stand_in_aws import BUCKET, StandIn, stand_in_aws
from tests.tools.test_make_synth import COPIED, FAKE_UV, FAKE_VENV
from tests.tree_copy import copy_parts
from tools.cdk import ROOT

STAGE = "dev"


def configure(clone: Path) -> None:
    """Write what a team commits: the pipeline, its stage and the stage's lock."""
    config = clone / "config"
    settings = pipeline_settings(stages=[STAGE], approval_before=[STAGE])
    lines = [
        f"{key} = {json.dumps(list(value) if isinstance(value, tuple) else value)}"
        for key, value in settings.model_dump(exclude_none=True).items()
    ]
    (config / "delivery.toml").write_text("\n".join(["[pipeline]", *lines, ""]))
    manifest = (write_model(clone / "other" / "model") / "manifest.json").read_bytes()
    (config / "models").mkdir(exist_ok=True)
    door = f'delivery = "pipeline"\naccount = "{STAGE_ACCOUNTS[STAGE]}"\nregion = "{REGION}"\n'
    (config / f"{STAGE}.toml").write_text(door)
    (config / "models" / f"{STAGE}.manifest.json").write_bytes(manifest)
    (config / "models" / f"{STAGE}.toml").write_text(
        f'sha256 = "{SHA256}"\n'
        f'manifest_sha256 = "{hashlib.sha256(manifest).hexdigest()}"\n'
        f'key = "serving/{SHA256}/model.tar.gz"\n'
        'name = "digits-resnet"\nsource_uri = "s3://models-of-test/x/model.tar.gz"\n'
    )


class Build:
    """Runs the commands of a project as CodeBuild does: one after another, until one fails."""

    def __init__(self, clone: Path, aws: StandIn) -> None:
        self.clone = clone
        self.aws = aws

    def run(self, commands: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "MAKE")) and name != "MFLAGS"
        }
        return subprocess.run(
            ["/bin/sh", "-c", " && ".join(f"{{ {command}\n}}" for command in commands)],
            cwd=self.clone,
            env={
                **inherited,
                "AWS_ENDPOINT_URL": self.aws.url,
                "AWS_REGION": REGION,
                "AWS_DEFAULT_REGION": REGION,
                "AWS_ACCESS_KEY_ID": "project",
                "AWS_SECRET_ACCESS_KEY": "secret",
                "CDK_VALIDATION": "false",
                **variables,
            },
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    clone = tmp_path_factory.mktemp("codebuild") / "src 12"
    copy_parts((*COPIED, "samples"), clone)
    (clone / "node_modules").symlink_to(ROOT / "node_modules")
    os.utime(clone / "package-lock.json", (0, 0))  # make must not renew the shared CLI
    for prefix in share_byte_code(link=clone / ".venv", target=ROOT / ".venv").values():
        (clone / "build").mkdir()
        (clone / "build" / "byte-code").symlink_to(prefix)  # where the Makefile has it
    (clone / "venv.py").write_text(FAKE_VENV.replace("shutil.rmtree(made)\n", ""))
    (clone / "uv").write_text(FAKE_UV)
    (clone / "uv").chmod(0o755)
    configure(clone)
    with stand_in_aws() as aws:
        aws.sha256, aws.version = SHA256, SHA256[:12]
        yield Build(clone, aws)


@pytest.fixture(scope="module")
def synthesized(build: Build, pipeline: PipelineAssembly) -> PipelineAssembly:
    """What the project of the synthesis leaves for the others."""
    ended = build.run(pipeline.commands("Build", "Synthesize"))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    project = pipeline.project("Build", "Synthesize")
    folder = pipeline.build_spec(project)["artifacts"]["base-directory"]
    return PipelineAssembly(build.clone / folder)


def test_the_synthesis_needs_no_model_and_no_torch(
    synthesized: PipelineAssembly, build: Build
) -> None:
    templates = sorted(synthesized.directory.rglob("*.template.json"))
    assert len(templates) == 1 + 7
    assert not (build.clone / "build" / "model").exists()
    assert not (build.clone / ".venvs").exists()
    files = [path for path in synthesized.directory.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 20 * 10**6


@pytest.mark.parametrize(("action", "kind"), [("FileAssets", "files"), ("DockerAssets", "docker")])
def test_the_commands_of_the_assets_name_assets_of_the_assembly(
    synthesized: PipelineAssembly, tmp_path: Path, action: str, kind: str
) -> None:
    assembly = tmp_path / "src"
    shutil.copytree(synthesized.directory, assembly)
    install, prepare, *publish = synthesized.commands("Assets", action)
    assert install.startswith("npm install -g cdk-assets@4.")
    subprocess.run(["/bin/sh", "-c", prepare], cwd=assembly, check=True)
    assert publish
    for command in publish:
        found = re.fullmatch(r'cdk-assets --path "(.+)" --verbose publish "(\w+):(.+)"', command)
        assert found is not None
        manifest = json.loads((assembly / found[1]).read_text())
        # The newest that this version reads.
        assert manifest["version"] == "54.0.0"
        assets = manifest["files" if kind == "files" else "dockerImages"]
        assert found[3] in assets[found[2]]["destinations"]


def test_the_model_is_copied_with_the_role_of_the_stage(
    synthesized: PipelineAssembly, build: Build
) -> None:
    commands = synthesized.commands("dev", "whippet-dev-serving.CopyModel")
    ended = build.run(commands)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"{BUCKET}/serving/{SHA256}/model.tar.gz" in build.aws.objects
    assert ("project", "AssumeRole") in build.aws.calls
    assert ("whippet-dev-copy-model", "CopyObject") in build.aws.calls


def test_the_deployment_is_checked_with_the_role_of_the_stage(
    synthesized: PipelineAssembly, build: Build
) -> None:
    ended = build.run(synthesized.commands("dev", "CheckDeployment"))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ("whippet-dev-check-deployment", "GetApiKey") in build.aws.calls
    assert f"3 responses of digits-resnet {SHA256[:12]}" in ended.stdout


def test_the_review_is_written_for_this_execution(
    synthesized: PipelineAssembly, build: Build, tmp_path: Path
) -> None:
    nested = synthesized.directory / f"assembly-{STAGE}"
    for artifact in json.loads((nested / "manifest.json").read_text())["artifacts"].values():
        if artifact["type"] == "aws:cloudformation:stack":
            properties = artifact["properties"]
            text = (nested / properties["templateFile"]).read_text()
            build.aws.templates[properties["stackName"]] = text
    storage = json.loads(build.aws.templates["whippet-dev-storage"])
    del storage["Outputs"]["ModelsBucketName"]
    build.aws.templates["whippet-dev-storage"] = json.dumps(storage)
    # The assembly comes as a second input beside the clone.
    moved = tmp_path / "synthesized"
    synthesized.directory.rename(moved)
    ended = build.run(
        PipelineAssembly(moved).commands(STAGE, "Review"),
        CODEBUILD_SRC_DIR_Synthesize_Output=str(moved),
        REVIEWS_BUCKET="reviews-bucket",
        EXECUTION_ID="0a1b-2c",
    )
    synthesized.directory.unlink(missing_ok=True)
    moved.rename(synthesized.directory)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ("whippet-dev-read-templates", "GetTemplate") in build.aws.calls
    changes = build.aws.objects["reviews-bucket/reviews/0a1b-2c/dev/changes.txt"].decode()
    assert "[+] Output" in changes
    assert "ModelsBucketName" in changes
    assert "## Changed: whippet-dev-storage" in changes
    assert "Unchanged: whippet-dev-training, " in changes
    findings = build.aws.objects["reviews-bucket/reviews/0a1b-2c/dev/cdk-nag.txt"].decode()
    assert "Open findings of dev: 0" in findings


def test_the_tests_are_skipped_after_a_change_of_a_lock(
    synthesized: PipelineAssembly, build: Build
) -> None:
    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
        return subprocess.run(
            ["git", *identity, *arguments],  # noqa: S607 - the system's
            cwd=build.clone, check=True, capture_output=True, text=True,
        ).stdout.strip()  # fmt: skip

    git("init", "-q")
    git("add", "Makefile", "config/models/dev.toml")
    git("commit", "-q", "-m", "Test this")
    build.aws.objects["reviews-bucket/tested/commit"] = git("rev-parse", "HEAD").encode()
    git("add", "config/models")
    git("commit", "-q", "-m", "Promote a model")
    ended = build.run(synthesized.commands("dev", "Test"), REVIEWS_BUCKET="reviews-bucket")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "Skipped: make test" in ended.stdout
