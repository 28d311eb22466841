import json
import os
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench import training
from bench.training_document import Results, Trial, targets, write_document

LITE0 = "efficientnet_lite0"
MACHINE = {"date": "2026-11-27", "processor": "A processor"}


def trials(
    seed: int, ours: float, usual: float, accuracy: float = 0.75, *, images: int = 120
) -> list[Trial]:
    return [
        Trial("first", LITE0, images, seed, ours, 2 * ours, 0.8),
        Trial("second", LITE0, images, seed, ours / 10, ours / 5, 0.8),
        Trial("usual", LITE0, images, seed, usual, 2 * usual, accuracy, 0.75 * usual),
    ]


def results(*found: Trial) -> Results:
    return Results(machine=MACHINE, is_drawn=True, trials=list(found))


def test_ratios_are_of_the_same_seed() -> None:
    # Of medians over all, it would be 60: what slows the machine slows both sides.
    measured = results(*trials(0, 10, 400), *trials(1, 20, 400), *trials(2, 40, 2000))
    by_name = {target.name.partition(" ours, ")[2]: target for target in targets(measured)}
    assert by_name["5 epochs"].value == pytest.approx(40)
    assert by_name["1 epoch"].value == pytest.approx(10)
    assert by_name["5 epochs, second trial"].value == pytest.approx(400)
    assert [target.verdict for target in targets(measured)] == ["met", "met", "met", ""]


def test_times_are_those_of_the_most_images_and_the_accuracy_that_of_all() -> None:
    few = trials(0, 10, 20, 0.7, images=30)
    most = trials(1, 10, 400, images=120)
    found = targets(results(*few, *most))
    assert found[0].value == pytest.approx(40)
    assert found[3].value == pytest.approx(7.5)


def test_the_accuracy_of_a_few_splits_has_no_bound() -> None:
    three = results(*(trial for seed in range(3) for trial in trials(seed, 10, 400)))
    five = results(*(trial for seed in range(5) for trial in trials(seed, 10, 400, 0.85)))
    few, many = (found[3] for found in map(targets, (three, five)))
    assert [few.value, many.value] == pytest.approx([5, -5])
    assert [few.verdict, many.verdict] == ["", "missed"]


def test_the_document_shows_each_run_and_its_plot(tmp_path: Path) -> None:
    output = tmp_path / "training.md"
    write_document(results(*trials(4, 10, 400)), output)
    text = output.read_text()
    assert (
        "| EfficientNet-Lite0 | usual script, 5 epochs | 120 | 4 | 400.0 | 800.0 | 75.0% |" in text
    )
    assert "![Seconds](training.svg)" in text
    drawn = ElementTree.parse(tmp_path / "training.svg").getroot()  # noqa: S314 - made here
    words = {element.text for element in drawn.iter() if element.text}
    assert {"usual script, 1 epoch", "400.0", "100.0", "10.0", "1.0"} <= words


# In place of the training environment's Python: notes what it runs, and writes what is read.
FAKE_PYTHON = """\
import json, os, pathlib, sys
program, flags = pathlib.Path(sys.argv[1]).name, sys.argv[2:]
values = dict(zip(flags[::2], flags[1::2]))
with open("runs.jsonl", "a") as runs:
    runs.write(json.dumps([program, values]) + "\\n")
if program == "prepare.py":
    for number in range(3):
        path = pathlib.Path(values["--images"], "a b", f"{number}.jpg")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
if program == "train.py":
    features = pathlib.Path(values["--cache-dir"], "features")
    second = features.exists()
    features.mkdir(exist_ok=True)
    folder = pathlib.Path(values["--model-dir"])
    folder.mkdir(exist_ok=True)
    metrics = {"metrics": {"test_accuracy": 0.25 if second else 0.5}}
    (folder / "manifest.json").write_text(json.dumps(metrics))
if program == "usual_script.py":
    print("noise")
    print(json.dumps({"epoch_seconds": [4, 3, 2, 1, 1], "accuracy": 0.125}))
    sys.exit(int(os.environ.get("FAILS", "0")))
"""


@pytest.fixture
def fake_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "python"
    script = tmp_path / "fake.py"
    script.write_text(FAKE_PYTHON)
    # A path with a space cannot stand behind `#!`.
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n')
    program.chmod(0o755)
    monkeypatch.setattr(training, "_PYTHON", program)
    monkeypatch.setattr(training, "ROOT", tmp_path)
    return tmp_path / "runs.jsonl"


def test_each_seed_starts_without_features_and_both_sides_get_the_same(
    fake_python: Path, tmp_path: Path
) -> None:
    cache, output = tmp_path / "my cache", tmp_path / "training.md"
    given = ["--data", str(tmp_path), "--seeds", "2", "--random-images", "0"]
    folders = ["--cache", str(cache), "--output", str(output)]
    assert training.main([*given, *folders]) == 0
    runs = [json.loads(line) for line in fake_python.read_text().splitlines()]
    assert [name for name, _ in runs] == [
        *("prepare.py", "train.py", "train.py", "usual_script.py") * 2
    ]
    assert [flags["--seed"] for name, flags in runs if name != "prepare.py"] == list("000111")
    assert len({flags["--data"] for name, flags in runs if name != "prepare.py"}) == 1
    measured = json.loads((cache / "training.json").read_text())
    assert {trial["images"] for trial in measured["trials"]} == {3}
    assert [trial["accuracy"] for trial in measured["trials"]] == [0.5, 0.25, 0.125] * 2
    assert measured["trials"][2]["seconds_of_later_epochs"] == 7
    text = output.read_text()
    output.unlink()
    assert training.main(["--render", *folders]) == 0
    assert output.read_text() == text
    assert len(fake_python.read_text().splitlines()) == len(runs)
    more = ["--resume", "--seeds", "3", "--max-images", "30", "--later-images", "20"]
    assert training.main([*given, *folders, *more]) == 0
    added = [json.loads(line) for line in fake_python.read_text().splitlines()][len(runs) :]
    assert [flags["--seed"] for name, flags in added if name != "prepare.py"] == list("222")
    assert [flags["--max-images"] for name, flags in added if name == "prepare.py"] == ["20"]
    assert len(json.loads((cache / "training.json").read_text())["trials"]) == 9


def test_a_failed_program_is_one_line(
    fake_python: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(os.environ, "FAILS", "3")
    given = ["--data", str(tmp_path), "--cache", str(tmp_path / "c")]
    assert training.main([*given, "--output", str(tmp_path / "training.md")]) == 1
    assert capsys.readouterr().err == "bench.training: usual_script.py: exit status 3: \n"
    assert not (tmp_path / "training.md").exists()
    assert training.main(["--render", "--cache", str(tmp_path)]) == 1
    assert "run without --render first" in capsys.readouterr().err
    assert fake_python.exists()
