"""The notes of `make up`: on a trained model that is not deployed, and on settings left out."""

import os
import shlex
from pathlib import Path

import pytest

from tools.local import up


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "a place"
    for name, moment in (("build/model", 100), ("build/trained/model", 200)):
        manifest = root / name / "manifest.json"
        manifest.parent.mkdir(parents=True)
        manifest.write_text("{}")
        os.utime(manifest, (moment, moment))
    monkeypatch.setattr(up, "ROOT", root)
    monkeypatch.setattr(up, "MODEL_FOLDER", root / "build" / "model")
    monkeypatch.setattr(up, "TRAINED", root / "build" / "trained" / "model")
    return root


def test_a_newer_model_is_named_with_a_command_and_the_folder_to_run_it_in(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir("/")
    up.warn_of_newer_model(root / "build" / "model")
    note, folder, command = capsys.readouterr().out.strip().splitlines()
    assert "build/trained/model is newer than build/model" in note
    assert shlex.split(folder) == ["cd", str(root)]
    assert shlex.split(command) == [
        ".venvs/training/bin/python", "model_code/build.py",
        "--trained", "build/trained/model", "--output", "build/model", "&&", "make", "up",
    ]  # fmt: skip


def test_nothing_is_said_of_an_older_one_or_where_another_folder_is_deployed(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    up.warn_of_newer_model(root / "another")
    os.utime(root / "build" / "trained" / "model" / "manifest.json", (50, 50))
    up.warn_of_newer_model(root / "build" / "model")
    (root / "build" / "trained" / "model" / "manifest.json").unlink()
    up.warn_of_newer_model(root / "build" / "model")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("preset", "notes"), [("calm", 1), (None, 0)])
def test_a_setting_that_the_mode_of_the_preset_leaves_out_is_named(
    root: Path, capsys: pytest.CaptureFixture[str], preset: str | None, notes: int
) -> None:
    (root / "config" / "presets").mkdir(parents=True)
    (root / "config" / "local.toml").write_text("[serving]\nmax_instance_count = 2")
    (root / "config" / "presets" / "calm.toml").write_text('[serving]\nmode = "serverless"')
    up.note_left_out(preset)
    printed = capsys.readouterr().out
    assert printed.count("\n") == notes
    if notes:
        assert printed == (
            "Note: config/local.toml sets serving.max_instance_count, which serving.mode = "
            "'serverless' does not use: config/presets/calm.toml sets that mode, and the setting "
            "is left out.\n"
        )
