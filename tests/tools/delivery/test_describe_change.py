"""What a pull request changes, in Markdown."""

import json
from pathlib import Path
from typing import Any

import pytest

from stacks.components.serving.model_lock import lock_files
from stacks.names import LOCKS_FOLDER
from tests.changed_settings import with_changes
from tests.git_repository import git
from tests.stacks.fake_inputs import NETWORKS, manifest_of
from tools.account.account import read_stage
from tools.console import ToolError
from tools.delivery import describe_change
from tools.delivery.changed_model import describe_model
from tools.delivery.changed_templates import describe_templates
from tools.delivery.lock_history import LockHistory

OLD, NEW = "0123456789ab" + "0" * 52, "ba9876543210" + "0" * 52


def write_lock(folder: Path, sha256: str, **manifest: Any) -> None:
    files = lock_files(folder / LOCKS_FOLDER, "prod")
    files.lock.parent.mkdir(parents=True, exist_ok=True)
    content = manifest_of(NETWORKS, **manifest)
    files.lock.write_text(f'sha256 = "{sha256}"\nname = "{content["name"]}"\n')
    files.manifest.write_text(json.dumps(content))


def metrics(accuracy: float, images: int) -> dict[str, Any]:
    return {"test_accuracy": accuracy, "test_images": images}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", "Start")
    write_lock(tmp_path, OLD, name="clothing", labels=["hat", "shoe"], metrics=metrics(0.871, 350))
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "Promote a model")
    return tmp_path


def describe(repository: Path, base: str = "HEAD") -> str:
    history = LockHistory(repository, "prod")
    return describe_model(history.at(base), history.files)


def test_another_model_is_shown_beside_the_old_one_with_its_accuracy(repository: Path) -> None:
    labels = ["shoe", "skirt", "größe|`@all`"]
    write_lock(repository, NEW, name="garments", labels=labels, metrics=metrics(0.895, 372))
    assert describe(repository).splitlines() == [
        "| | model |",
        "|---|---|",
        "| before | `clothing 0123456789ab, 2 classes, 87.1% of 350 unseen images correct` |",
        "| after | `garments ba9876543210, 3 classes, 89.5% of 372 unseen images correct` |",
        "| new labels | `skirt`, `größe¦'@all'` |",
        "| removed labels | `hat` |",
    ]


def test_an_unchanged_model_is_one_line(repository: Path) -> None:
    model = "clothing 0123456789ab, 2 classes, 87.1% of 350 unseen images correct"
    assert describe(repository) == f"Model: unchanged (`{model}`)\n"


def test_a_first_and_a_removed_lock_are_named(repository: Path) -> None:
    assert "| before | `no lock` |\n| after | `clothing" in describe(repository, "HEAD^1")
    files = lock_files(repository / LOCKS_FOLDER, "prod")
    files.lock.unlink()
    assert "| after | `no lock` |" in describe(repository)


def test_many_labels_are_counted(repository: Path) -> None:
    labels = ["hat", "shoe", *(f"kind {number}" for number in range(133))]
    write_lock(repository, NEW, name="clothing", labels=labels)
    (row,) = (line for line in describe(repository).splitlines() if line.startswith("| new"))
    assert row.count("`kind ") == 20
    assert row.endswith("`kind 19` and 113 more |")


def test_a_commit_that_is_not_there_is_an_error(repository: Path) -> None:
    with pytest.raises(ToolError, match="rev-parse"):
        describe(repository, "HEAD^9")


COMPARISON = """
could not assume the lookup role. Proceeding anyway with default credentials.
Stack whippet-prod-storage
There were no differences
Stack whippet-prod-serving
Resources
[~] AWS::SageMaker::Model Model
 └─ [~] PrimaryContainer
     └─ [~] .ModelDataUrl:
         ├─ [-] ```serving/0123```
         └─ [+] serving/ba98


✨  Number of stacks with differences: 1
"""


def test_each_stack_that_changes_is_a_block() -> None:
    text = describe_templates(COMPARISON)
    assert text.startswith("<details><summary>whippet-prod-serving</summary>\n\n````\nResources")
    assert "[+] serving/ba98" in text
    assert "whippet-prod-storage" not in text
    assert "could not assume" not in text
    assert text.count("````") == 2


def test_no_difference_is_one_line() -> None:
    equal = COMPARISON[: COMPARISON.index("Stack whippet-prod-serving")]
    assert describe_templates(equal) == "Templates: unchanged\n"


def test_long_differences_are_cut_at_a_line_and_fit_a_comment() -> None:
    stacks = [
        f"Stack whippet-prod-{name}\nResources\n" + "[+] AWS::SNS::Topic Topic\n" * 2000
        for name in ("api", "web")
    ]
    text = describe_templates("".join(stacks))
    assert len(text) < 16_000
    assert text.count("</details>") == 2
    assert "Topic\n[1,712 more lines: see the log of the job]\n```" in text


def described(repository: Path, monkeypatch: pytest.MonkeyPatch, comparison: str) -> list[str]:
    """Return the lines that are written of a comparison."""
    monkeypatch.setattr(describe_change, "ROOT", repository)
    monkeypatch.setattr(describe_change, "compare_templates", lambda _stage: comparison)
    output = repository / "build" / "prod.md"
    options = ["--stage", "prod", "--base", "HEAD", "--output", str(output)]
    monkeypatch.setattr("sys.argv", ["describe_change", *options])
    describe_change.main()
    return output.read_text().splitlines()


LOST_KEY = "Resources\n[-] AWS::KMS::Key EncryptionKey EncryptionKey1B843E66 destroy\n"


@pytest.mark.parametrize(
    ("comparison", "warned"),
    [
        (f"Stack whippet-prod-storage\n{LOST_KEY}", True),
        (f"{COMPARISON}Stack whippet-prod-storage\n{LOST_KEY}", True),
        (f"Stack whippet-prod-api\n{LOST_KEY}", False),
        (f"Stack whippet-prod-storage\n{LOST_KEY.replace('[-]', '[~]')}", False),
        (COMPARISON, False),
    ],
)
def test_a_key_that_is_taken_away_is_the_first_thing_that_is_said(
    repository: Path, monkeypatch: pytest.MonkeyPatch, comparison: str, *, warned: bool
) -> None:
    heading, _, first, *rest = described(repository, monkeypatch, comparison)
    assert heading == "### Stage prod"
    assert first.startswith("**This change takes away the KMS key of the stage") is warned
    assert any(line.startswith("Model: unchanged") for line in [first, *rest])


# As the CLI prints it: the output's path in its stack, then its logical id.
NETWORK = """Stack whippet-prod-network
Outputs
[~] Output Placement Placement: {"Value":"own 10.0.0.0/20 in first zones: endpoint, training"} to \
{"Value":""}
"""


@pytest.mark.parametrize(
    ("comparison", "network", "warned"),
    [
        (NETWORK, {"vpc": "own", "placed": ("endpoint",)}, True),
        (COMPARISON + NETWORK, {"vpc": "own", "address_range": "10.1.0.0/20"}, True),
        (NETWORK, {"vpc": "own"}, False),
        (NETWORK.replace("-network", "-api"), {"vpc": "own", "placed": ("endpoint",)}, False),
        (COMPARISON, {"vpc": "own", "placed": ("endpoint",)}, False),
    ],
)
def test_a_network_that_cannot_be_changed_so_is_said_first(
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
    comparison: str,
    network: dict[str, Any],
    *,
    warned: bool,
) -> None:
    prod = read_stage("prod")
    settings = with_changes(prod, network=with_changes(prod.network, **network))
    monkeypatch.setattr(describe_change, "read_stage", lambda _stage: settings)
    first = described(repository, monkeypatch, comparison)[2]
    beginning = (
        "**This change cannot be deployed in one step.** The network of the stage is own 10."
    )
    assert first.startswith(beginning) is warned


def test_templates_of_another_stage_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(describe_change, "_ASSEMBLY", tmp_path)
    with pytest.raises(ToolError, match="run `make synth STAGE=prod`"):
        describe_change.compare_templates("prod")
