"""What a training run prints about a dataset whose names anybody may have chosen."""

from __future__ import annotations

from pathlib import Path

import pytest

from classifier.training.dataset.scanning import LeftOutFile
from classifier.training.report.summary import print_left_out


def test_a_name_cannot_change_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    file = LeftOutFile(Path("möbel/left\x1b[31m\nred\udcff.jpg"), "is no image")
    print_left_out([file])
    assert capsys.readouterr().out.splitlines() == [
        "1 files are left out:",
        r"  möbel/left\x1b[31m\nred\udcff.jpg: is no image",
    ]
