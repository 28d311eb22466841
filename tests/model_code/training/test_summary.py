"""What a training run prints about a dataset whose names anybody may have chosen."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from classifier.training.dataset.scanning import ImageFile, LeftOutFile
from classifier.training.report.contents import Report, SuspiciousLabel
from classifier.training.report.summary import print_left_out, print_suspicious


def test_a_name_cannot_change_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    file = LeftOutFile(Path("möbel/left\x1b[31m\nred\udcff.jpg"), "is no image")
    print_left_out([file])
    assert capsys.readouterr().out.splitlines() == [
        "Files that are left out: 1",
        r"  möbel/left\x1b[31m\nred\udcff.jpg: is no image",
    ]


@pytest.mark.parametrize(
    ("count", "beginning"),
    [(1, "1 label is probably wrong: "), (3, "3 labels are probably wrong: ")],
)
def test_labels_that_are_probably_wrong_are_counted(
    count: int, beginning: str, capsys: pytest.CaptureFixture[str]
) -> None:
    image = ImageFile(Path("cat/1.jpg"), "cat", "train", "0" * 64)
    suspicious = [SuspiciousLabel(image, 0.001, "dog")] * count
    print_suspicious(cast("Report", SimpleNamespace(suspicious=suspicious)))
    assert capsys.readouterr().out.startswith(f"{beginning}cat/1.jpg looks like dog")
