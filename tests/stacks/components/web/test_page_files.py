"""What the page tells of the model, and the samples that it offers."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from classifier.artifact.samples import sample_name
from stacks.components.serving.model_artifact import ModelArtifact, load_model_artifact
from stacks.components.web.page_files import read_samples, write_page
from stacks.errors import InputError
from stacks.inputs import Inputs
from stacks.settings.stage import StageSettings, load_stage_settings
from tests.stacks.assembly import CONFIG, Assembly, synthesize
from tests.stacks.fake_inputs import write_model
from tests.stacks.fake_inputs import write_page as write_bundle
from tests.stacks.test_web_stack import content, page_files

JPEG, PNG, WEBP = b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"RIFF\x10\0\0\0WEBP"


def write(folder: Path, files: dict[str, bytes]) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for name, written in files.items():
        (folder / name).write_bytes(written)
    return sorted(folder.iterdir())


def describe(tmp_path: Path, model: ModelArtifact, samples: list[Path]) -> dict[str, Any]:
    bundle = write_bundle(tmp_path / "bundle")
    write_page(tmp_path / "page", bundle=bundle, model=model, samples=samples)
    content: dict[str, Any] = json.loads((tmp_path / "page" / "model.json").read_text())
    return content


def model_of(tmp_path: Path, **changes: Any) -> ModelArtifact:
    return load_model_artifact(write_model(tmp_path / "model", **changes))


@pytest.mark.parametrize("count", [2, 133, 1000])
def test_a_page_lists_every_label_and_stays_small(tmp_path: Path, count: int) -> None:
    labels = [f"Hündin <b>{number}</b>, כלב" for number in range(count)]
    told = describe(tmp_path, model_of(tmp_path, labels=labels), [])
    assert told == {"labels": labels, "accuracy": None, "baseline": None, "samples": []}
    assert (tmp_path / "page" / "model.json").stat().st_size < 50_000


@pytest.mark.parametrize(
    ("metrics", "accuracy"),
    [
        ({"test_accuracy": 0.895, "test_images": 372}, {"share": 0.895, "images": 372}),
        ({"test_accuracy": 0.895}, None),
        ({"test_images": 372}, None),
        ({"test_accuracy": None, "test_images": 0}, None),
    ],
)
def test_the_accuracy_is_told_where_it_is_known(
    tmp_path: Path, metrics: dict[str, Any], accuracy: dict[str, Any] | None
) -> None:
    assert describe(tmp_path, model_of(tmp_path, metrics=metrics), [])["accuracy"] == accuracy


def test_the_baseline_is_that_of_the_first_probability(tmp_path: Path) -> None:
    figure = {"mean": 0.5, "std": 0.1}
    baseline = {
        "images": 341,
        "top_probability": {"mean": 0.9, "std": 0.15},
        "entropy": figure,
        "brightness": figure,
        "sharpness": figure,
        "class_shares": [0.1] * 10,
    }
    model = model_of(tmp_path, baseline=baseline)
    assert describe(tmp_path, model, [])["baseline"] == {"mean": 0.9, "deviation": 0.15}


def test_samples_have_safe_names_and_the_models_labels(tmp_path: Path) -> None:
    files = write(
        tmp_path / "samples",
        {
            "01-hot-dog.jpg": JPEG,
            "02 Ünder Größe.JPEG": PNG,
            "03_犬.webp": WEBP,
            "04-nothing known.png": JPEG,
            "12 volt.jpg": JPEG,
        },
    )
    labels = ["Hot dog", "ünder größe", "犬", "12 volt", "other"]
    model = model_of(tmp_path, labels=labels)
    told = describe(tmp_path, model, files)["samples"]
    assert told == [
        {"file": "samples/01-hot-dog.jpg", "label": "Hot dog"},
        {"file": "samples/02-under-groe.png", "label": "ünder größe"},
        {"file": "samples/03.webp", "label": "犬"},
        {"file": "samples/04-nothing-known.jpg", "label": None},
        {"file": "samples/05-volt.jpg", "label": "12 volt"},
    ]
    assert (tmp_path / "page" / "samples" / "02-under-groe.png").read_bytes() == PNG


def test_samples_of_the_artifact_have_their_labels(tmp_path: Path) -> None:
    labels = ["12 Größe", "犬", "x" * 50 + "1", "x" * 50 + "2", "T-shirt", "t shirt", "class 9"]
    names = [sample_name(index + 1, label, index) for index, label in enumerate(labels)]
    files = write(tmp_path, {Path(name).name: JPEG for name in names})
    told = {Path(each.name).name: each.label for each in read_samples(files, labels)}
    # What names several labels is not told as one of them.
    assert told == {
        "01-12-groe.jpg": "12 Größe",
        "02-class-1.jpg": "犬",
        f"03-{'x' * 40}.jpg": None,
        f"04-{'x' * 40}.jpg": None,
        "05-t-shirt.jpg": None,
        "06-t-shirt.jpg": None,
        "07-class-9.jpg": "class 9",
    }


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"a.jpg": b"GIF89a"}, "is not a JPEG, PNG or WebP: remove it"),
        ({"a.jpg": JPEG + bytes(1 << 20)}, "1048580 bytes, expected a sample of at most 1 MiB"),
        ({f"{number}.jpg": JPEG for number in range(25)}, "has 25 files, expected at most 24"),
    ],
    ids=["other-format", "large", "many"],
)
def test_a_sample_that_is_not_usable_is_named(
    tmp_path: Path, files: dict[str, bytes], reason: str
) -> None:
    with pytest.raises(InputError, match=reason):
        read_samples(write(tmp_path / "samples", files), ["a"])


def test_a_folder_among_the_samples_is_named(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    with pytest.raises(InputError, match="more is not a file, expected a JPEG"):
        read_samples([tmp_path / "more"], ["a"])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a file that cannot be read")
def test_a_sample_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    # Not even by root, who may run the tests; as of a disk with errors.
    (tmp_path / "größe 1.jpg").symlink_to("/proc/self/mem")
    with pytest.raises(InputError, match=r"größe 1\.jpg cannot be read \(.*\): make it readable"):
        read_samples([tmp_path / "größe 1.jpg"], ["a"])


def shown(assembly: Assembly) -> list[str]:
    described = json.loads((page_files(assembly) / "model.json").read_text())
    found = [each["file"] for each in described["samples"]]
    assert json.loads(content(assembly)["Config"])["hasSamples"] == bool(found)
    return found


def test_the_artifacts_samples_are_for_the_laptop_alone(
    inputs: Inputs, dev_settings: StageSettings, tmp_path: Path
) -> None:
    """They are images of the training data, which a page on the internet must not show."""
    (own,) = write(tmp_path / "model" / "samples", {"01-3.jpg": JPEG})
    model = replace(inputs.model, samples=(own,))
    given = replace(inputs, model=model, samples_directory=tmp_path / "config")
    local = load_stage_settings("local", CONFIG)
    assert shown(synthesize(local, given, tmp_path / "1")) == ["samples/01-3.jpg"]
    assert shown(synthesize(dev_settings, given, tmp_path / "2")) == []
    write(tmp_path / "config" / "dev", {"b.png": PNG, ".DS_Store": b""})
    assembly = synthesize(dev_settings, given, tmp_path / "3")
    assert shown(assembly) == ["samples/01-b.png"]
    assert (page_files(assembly) / "samples" / "01-b.png").read_bytes() == PNG
    write(tmp_path / "config" / "local", {"7.webp": WEBP})
    assert shown(synthesize(local, given, tmp_path / "4")) == ["samples/01-7.webp"]
