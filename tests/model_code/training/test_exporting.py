"""A published network is exported in a process of its own, whose errors are this one's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from classifier.training.errors import NetworkError
from classifier.training.features import exporting
from classifier.training.features.backbone import load_backbone
from tests.model_code.conftest import MODEL_CODE, NORMALISED

LOAD = """
import sys
from pathlib import Path
from classifier.training.features.backbone import load_backbone
backbone = load_backbone({architecture!r}, Path({folder!r}), Path({weights!r}))
assert "torch" not in sys.modules, "it would keep its memory"
print(backbone.width, backbone.manifest.architecture)
"""


def test_the_process_that_trains_has_no_torch(tmp_path: Path, normalised_weights: Path) -> None:
    folder = tmp_path / "my backbones"
    given = {"folder": str(folder), "weights": str(normalised_weights)}
    ended = subprocess.run(
        [sys.executable, "-c", LOAD.format(architecture=NORMALISED, **given)],
        cwd=MODEL_CODE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == f"1024 {NORMALISED}"
    (own,) = folder.iterdir()
    assert {file.name for file in own.iterdir()} == {"model.onnx", "manifest.json", "features.onnx"}


def test_what_the_process_cannot_use_is_an_error_here(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    damaged = tmp_path / "weights.pt"
    damaged.write_bytes(b"not torch's")
    with pytest.raises(NetworkError, match=r"weights\.pt is damaged or no file of torch\.save"):
        load_backbone("resnet18", tmp_path / "backbones", damaged)
    assert "Traceback" not in "".join(capfd.readouterr())
    (own,) = (tmp_path / "backbones").iterdir()
    assert list(own.iterdir()) == []


def test_a_process_that_is_killed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "killed.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(exporting, "_PROGRAM", "killed")
    with pytest.raises(NetworkError, match="ended with status -9, probably for lack of memory"):
        exporting.export_network("resnet18", None, tmp_path)
