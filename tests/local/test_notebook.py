"""The notebook of the repository, executed against the local cloud."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.contract.serving.artifacts import write_artifact
from tests.local.png import png
from tools.cdk import ROOT
from tools.local.deployment import LocalDeployment

Client = Callable[[str], Any]
NOTEBOOK = ROOT / "notebooks" / "walkthrough.ipynb"
DATASET = "datasets/tones/0a1b2c3d4e5f"
GROUP = "whippet-local"
_TIMEOUT_SECONDS = 120


@pytest.fixture
def dataset(client: Client) -> str:
    """Six images of each of two labels in each split, as `make dataset` uploads them."""
    (stack,) = client("cloudformation").describe_stacks(StackName="whippet-local-training")[
        "Stacks"
    ]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    lines = []
    for split in ("train", "valid", "test"):
        for label, brightness in (("dark", 20), ("light", 200)):
            for number in range(6):
                file = f"{split}/{label}/{number}.png"
                client("s3").put_object(
                    Bucket=outputs["DatasetsBucket"],
                    Key=f"{DATASET}/{file}",
                    Body=png(brightness, seed=file),
                )
                lines.append(json.dumps({"file": file, "label": label, "split": split}))
    client("s3").put_object(
        Bucket=outputs["DatasetsBucket"],
        Key=f"{DATASET}/dataset.jsonl",
        Body="\n".join(lines).encode(),
    )
    return DATASET


@pytest.fixture
def environment(
    deployment: LocalDeployment,
    dataset: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a laptop whose Python points to the local cloud; the kernel inherits it."""
    (tmp_path / "cache" / "backbones").mkdir(parents=True)
    # Its features are the mean colours: a head on it is fitted in a second.
    write_artifact(tmp_path / "cache" / "backbones" / "mean", class_count=6, labels=list("abcdef"))
    flags = {"mode": "head", "architecture": "mean", "cache_dir": str(tmp_path / "cache")}
    variables = deployment.environment | {
        "STAGE": "local",
        "DATASET": dataset,
        "HYPERPARAMETERS": json.dumps(flags),
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
    }
    for name in [each for each in os.environ if each.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def no_packages_left(client: Client) -> Iterator[None]:
    """Delete the packages that were registered meanwhile, for the other tests."""
    sagemaker = client("sagemaker")

    def arns() -> set[str]:
        listed = sagemaker.list_model_packages(ModelPackageGroupName=GROUP)
        return {each["ModelPackageArn"] for each in listed["ModelPackageSummaryList"]}

    before = arns()
    yield
    for arn in arns() - before:
        sagemaker.delete_model_package(ModelPackageName=arn)


@pytest.mark.usefixtures("environment", "no_packages_left")
def test_it_walks_from_the_data_to_the_endpoint(client: Client, tmp_path: Path) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call] # has no types
    assert all(cell.get("outputs", []) == [] for cell in notebook.cells), "it holds no results"
    NotebookClient(
        notebook,
        timeout=_TIMEOUT_SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    ).execute()
    printed = [
        "".join(output.get("text", "") for output in cell.outputs)
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]
    counts, shown, _, package, approval, endpoint = printed[1:]
    assert "train  dark                      6" in counts
    assert shown.split() == ["dark", "light"]
    assert package.strip() == "PendingManualApproval"
    assert approval.strip() == "Approved; next: make promote"
    assert len(endpoint.splitlines()) == 3
    listed = client("sagemaker").list_model_packages(
        ModelPackageGroupName=GROUP, ModelApprovalStatus="Approved"
    )
    assert len(listed["ModelPackageSummaryList"]) == 1
