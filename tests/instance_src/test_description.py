"""The description of a job names splits, and no other folders."""

import json
from pathlib import Path
from typing import Any

import pytest
from trainer import aws
from trainer.description import Job
from trainer.errors import JobError

from tests.instance_src.test_gate import STAGE


def describe(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    content = {
        "dataset_prefix": "datasets/flowers/1", "splits": ["train", "valid", "test"],
        "hyperparameters": {}, "data_version": "1", "commit": "unknown", **changes,
    }  # fmt: skip

    def download(_url: str, target: Path) -> None:
        target.write_text(json.dumps(content))

    monkeypatch.setattr(aws, "download", download)


def test_the_splits_of_a_dataset(monkeypatch: pytest.MonkeyPatch) -> None:
    describe(monkeypatch)
    assert Job.read(STAGE, "run-1").splits == ["train", "valid", "test"]


@pytest.mark.parametrize("split", ["/root/.aws", "../train", ""])
def test_other_folders_are_refused(monkeypatch: pytest.MonkeyPatch, split: str) -> None:
    describe(monkeypatch, splits=["train", split])
    with pytest.raises(JobError, match="expected some of"):
        Job.read(STAGE, "run-1")
