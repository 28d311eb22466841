"""The image of the model server: its content, its hash, its permissions."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stacks.inputs import Inputs
from stacks.settings.stage import StageSettings
from tests.stacks.assembly import (
    PREBUILT_IMAGE,
    REPOSITORY,
    Assembly,
    flatten,
    statement_allowing,
    statements_for_role,
    synthesize,
    with_serving,
)
from tests.stacks.conftest import Synthesize

MODEL_CODE = REPOSITORY / "model_code"
GPU = "ml.g5.xlarge"
# "Virtual Size" of python:3.13-slim-bookworm on amd64: docker-library/repo-info,
# repos/python/local/3.13-slim-bookworm.md
BASE_IMAGE_BYTES = 121_000_000
MAX_IMAGE_BYTES = 700_000_000
COMPILERS = re.compile(r"(gcc|g\+\+|cc|c\+\+|clang|ld|nvcc|tcc|ninja|cmake)(-[\d.]+)?")
FORBIDDEN_PACKAGES = {"torch", "torchvision", "triton", "onnx", "nncf", "setuptools", "cython"}

Context = Callable[[StageSettings], tuple[str, Path]]


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A copy of model_code/ that a test may change, with both lists of requirements."""
    folder = tmp_path / "code"
    shutil.copytree(MODEL_CODE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "requirements-serving-gpu.txt").touch()
    return folder


@pytest.fixture
def context(inputs: Inputs, code: Path, tmp_path: Path) -> Context:
    """Synthesize with the copy; return the image's hash and its build context."""
    counted = iter(range(100))

    def stage(settings: StageSettings) -> tuple[str, Path]:
        changed = dataclasses.replace(inputs, model_code_directory=code)
        assembly = synthesize(settings, changed, tmp_path / f"out-{next(counted)}")
        ((name, image),) = assembly.assets("serving")["dockerImages"].items()
        return name, assembly.directory / image["source"]["directory"]

    return stage


def files_of(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("kind", "requirements"),
    [("ml.m5.large", "requirements-serving.txt"), (GPU, "requirements-serving-gpu.txt")],
)
def test_the_build_context_is_what_serving_needs_and_nothing_else(
    dev_settings: StageSettings, code: Path, context: Context, kind: str, requirements: str
) -> None:
    others = ("notes.md", "data/cat.jpg", "classifier/image/notes.txt", "classifier/old/loop.py")
    for name in others:
        (code / name).parent.mkdir(parents=True, exist_ok=True)
        (code / name).touch()
    _, folder = context(with_serving(dev_settings, instance_type=kind))
    modules = {
        path.relative_to(MODEL_CODE).as_posix()
        for path in (MODEL_CODE / "classifier").rglob("*.py")
        if "training" not in path.parts
    }
    assert len(modules) > 10
    files = {".dockerignore", "Dockerfile", "serve.py", "requirements-compiler.txt"}
    sources = {"classifier/image/resample.c", requirements}
    assert files_of(folder) == modules | files | sources


@pytest.mark.parametrize("kind", ["ml.m5.large", GPU])
def test_only_what_serves_changes_the_image(
    dev_settings: StageSettings, code: Path, context: Context, kind: str
) -> None:
    settings = with_serving(dev_settings, instance_type=kind)
    before, _ = context(settings)
    others = ("train.py", "build.py", "presets/demo.json", "classifier/training/finetune/loop.py")
    for name in others:
        (code / name).write_text("# changed\n")
    (code / "tests").mkdir()
    (code / "tests/test_serve.py").write_text("# new\n")
    assert context(settings)[0] == before
    compiled = ("classifier/image/resample.c", "requirements-compiler.txt")
    for name in ("serve.py", "classifier/serving/server.py", "Dockerfile", *compiled):
        content = (code / name).read_text()
        (code / name).write_text(content + "# changed\n")
        after, _ = context(settings)
        assert after != before, name
        before = after


@pytest.mark.parametrize(
    ("kind", "other"),
    [("ml.m5.large", "requirements-serving-gpu.txt"), (GPU, "requirements-serving.txt")],
)
def test_the_other_machines_requirements_do_not_roll_an_image(
    dev_settings: StageSettings, code: Path, context: Context, kind: str, other: str
) -> None:
    settings = with_serving(dev_settings, instance_type=kind)
    before, _ = context(settings)
    (code / other).write_text("# changed\n")
    assert context(settings)[0] == before


def test_a_gpu_type_gets_the_image_with_cuda(
    dev_settings: StageSettings, synthesize_with: Synthesize, dev: Assembly
) -> None:
    gpu = synthesize_with(with_serving(dev_settings, instance_type=GPU))
    arguments = {}
    for assembly in (dev, gpu):
        (image,) = assembly.assets("serving")["dockerImages"].values()
        arguments[assembly] = image["source"]["dockerBuildArgs"]
    assert arguments[dev] == {"REQUIREMENTS": "requirements-serving.txt"}
    assert arguments[gpu] == {"REQUIREMENTS": "requirements-serving-gpu.txt"}


def test_the_image_is_built_for_x86_whatever_the_laptop_is(assembly: Assembly) -> None:
    (image,) = assembly.assets("serving")["dockerImages"].values()
    assert image["source"]["platform"] == "linux/amd64"


def test_a_prebuilt_image_is_taken_as_it_is_and_nothing_is_built(
    dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    assembly = synthesize_with(with_serving(dev_settings, image_uri=PREBUILT_IMAGE))
    model = assembly.resource("serving", "AWS::SageMaker::Model")
    assert model.properties["PrimaryContainer"]["Image"] == PREBUILT_IMAGE
    assert assembly.assets("serving").get("dockerImages", {}) == {}


def test_the_role_pulls_a_prebuilt_image_from_its_one_repository(
    dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    assembly = synthesize_with(with_serving(dev_settings, image_uri=PREBUILT_IMAGE))
    role = assembly.resource("serving", "AWS::IAM::Role")
    statements = statements_for_role(assembly, "serving", role.logical_id)
    pulling = statement_allowing(statements, "ecr:BatchGetImage")
    assert [flatten(each) for each in pulling["Resource"]] == [
        "arn:<AWS::Partition>:ecr:eu-central-1:210987654321:repository/team/whippet"
    ]
    assert "container-assets" not in json.dumps(statements)


def dockerfile() -> list[str]:
    content = (MODEL_CODE / "Dockerfile").read_text().replace("\\\n", " ")
    return [line for line in content.splitlines() if line and not line.startswith("#")]


def test_the_base_is_pinned_by_version_and_digest() -> None:
    bases = [line for line in dockerfile() if line.startswith("FROM ")]
    assert len(bases) == 2
    assert len({base.removesuffix(" AS compiler") for base in bases}) == 1
    assert re.fullmatch(r"FROM python:3\.13\.\d+-slim-bookworm@sha256:[0-9a-f]{64}", bases[1]), (
        bases
    )


def test_the_image_gets_the_compiled_library_and_not_the_compiler() -> None:
    lines = dockerfile()
    second = [line.startswith("FROM ") for line in lines].index(True, 1)
    assert [line for line in lines[:second] if "requirements-compiler.txt" in line]
    assert not [line for line in lines[second:] if "requirements-compiler" in line]
    (copied,) = (line for line in lines if "--from=compiler" in line)
    assert copied.split()[2:] == ["/usr/local/lib/whippet-resample-*.so", "/usr/local/lib/"]


def test_packages_are_hashed_wheels() -> None:
    installs = [line for line in dockerfile() if " install " in line]
    assert len(installs) == 2
    for install in installs:
        assert "--require-hashes" in install
        assert "--only-binary :all:" in install
    assert not re.search(r"\b(apt|apt-get|curl|wget)\b", "\n".join(dockerfile()))


def test_sagemakers_signal_and_argument_reach_the_server() -> None:
    (entrypoint,) = (line for line in dockerfile() if line.startswith("ENTRYPOINT "))
    assert json.loads(entrypoint.removeprefix("ENTRYPOINT ")) == [
        "python",
        "/opt/program/serve.py",
    ]
    assert not [line for line in dockerfile() if line.startswith(("USER ", "HEALTHCHECK ", "CMD "))]


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages that the Dockerfile installs, for the image's platform and with byte code."""
    folder = tmp_path_factory.mktemp("packages")
    uv = Path(sys.executable).parent / "uv"
    without_project = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    subprocess.run(
        [
            uv, "pip", "install", "--quiet", "--target", folder, "--compile-bytecode",
            "--python-platform", "x86_64-manylinux_2_28", "--python-version", "3.13",
            "--require-hashes", "--only-binary", ":all:",
            "--requirements", MODEL_CODE / "requirements-serving.txt",
        ],
        check=True,
        env=without_project,
        timeout=300,
    )  # fmt: skip
    return folder


def test_the_image_for_cpu_types_is_smaller_than_700_mb(
    packages: Path, dev_settings: StageSettings, context: Context
) -> None:
    _, sources = context(dev_settings)
    tree = [path for folder in (packages, sources) for path in folder.rglob("*")]
    size_bytes = sum(path.lstat().st_size for path in tree if not path.is_dir())
    # OpenVINO alone is more than that: less would mean that nothing was installed.
    assert size_bytes > 100_000_000
    assert BASE_IMAGE_BYTES + size_bytes < MAX_IMAGE_BYTES


def test_the_image_has_no_torch_and_no_compiler(packages: Path) -> None:
    installed = {path.name.split("-")[0].lower() for path in packages.glob("*.dist-info")}
    assert {"openvino", "numpy", "pillow"} <= installed
    assert installed & FORBIDDEN_PACKAGES == set()
    programs = [path for path in packages.rglob("*") if COMPILERS.fullmatch(path.name)]
    assert [path for path in programs if path.is_file()] == []
