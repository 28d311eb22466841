"""The report of a training run: what it says, and that no name or number of classes breaks it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image

from classifier.training.dataset.near_duplicates import find_near_duplicates
from classifier.training.dataset.scanning import ImageFile, LeftOutFile
from classifier.training.head.judging import Judgement
from classifier.training.report import thumbnails
from classifier.training.report.advice import advise
from classifier.training.report.contents import Report, SimilarImages, SuspiciousLabel
from classifier.training.report.report import write_report


def file(name: str, label: str, split: str = "test") -> ImageFile:
    return ImageFile(Path(name), label, split, "0" * 64)


def judged(classes: Sequence[int], predicted: Sequence[int], class_count: int) -> Judgement:
    """Predictions with a probability of nearly 1."""
    return Judgement(
        (9 * numpy.eye(class_count, dtype=numpy.float32))[list(predicted)], numpy.array(classes)
    )


def make_report(folder: Path, unseen: Judgement | None = None, **changes: Any) -> Report:
    """A report of as many training images as held-back ones, in classes of their names."""
    labels = changes.pop("labels", ("cat", "dog"))
    classes = [] if unseen is None else unseen.classes.tolist()
    tested = [file(f"test/{n}.png", labels[index]) for n, index in enumerate(classes)]
    trained = [
        file(f"train/{label}/{n}.png", label, "train") for label in labels for n in range(30)
    ]
    contents: dict[str, Any] = {
        "name": "pets",
        "folder": folder,
        "labels": labels,
        "images": [*tested, *trained],
        "dataset_version": "0123456789ab",
        "precision": "fp32",
        "unseen": unseen,
        "unseen_images": tested,
        "train_accuracy": 1.0,
        "train_judged": 60,
        "has_features": True,
        "suspicious": [],
        "similar": [],
        "left_out": [],
    }
    return Report(**contents | changes)


def written(report: Report, tmp_path: Path) -> str:
    path = tmp_path / "report.html"
    write_report(report, path)
    assert path.stat().st_size <= 10_000_000
    return path.read_text(encoding="utf-8")


HOSTILE = "<script>alert(1)</script>"


def test_names_are_escaped_and_mistakes_shown(tmp_path: Path) -> None:
    Image.new("RGB", (900, 20)).save(tmp_path / "a&b.png")
    mistaken, gone = file("a&b.png", HOSTILE), file("gone.png", "b")
    text = written(
        make_report(
            tmp_path,
            judged([0, 1], [1, 1], 2),
            labels=(HOSTILE, "b"),
            name="<b>name</b>",
            unseen_images=[mistaken, gone],
            suspicious=[SuspiciousLabel(gone, 0.0004, HOSTILE)],
            similar=[SimilarImages(mistaken, gone, 0.97)],
            left_out=[LeftOutFile(Path(f"{HOSTILE}.gif"), HOSTILE)] * 300,
        ),
        tmp_path,
    )
    assert "<script" not in text
    assert "<b>name</b>" not in text
    assert "<bdi>&lt;b&gt;name&lt;/b&gt;</bdi>" in text
    assert "a&amp;b.png" in text
    assert 'predicted: <b class="wrong"><bdi>b</bdi></b>' in text
    assert "(below 0.1 %), looks like" in text
    assert "similarity 0.97" in text
    # Of the mistake, and of the pair's one file that is still there.
    assert text.count('src="data:image/jpeg;base64,') == 2
    assert text.count("cannot be read any more") == 2
    assert "50.0\N{NO-BREAK SPACE}%" in text
    assert "And 100 more." in text


def test_a_name_that_no_text_can_hold_is_written_with_escapes(tmp_path: Path) -> None:
    names = ["bytes \udcff", "right\N{RIGHT-TO-LEFT OVERRIDE}left", "line\nbreak", "x" * 4000]
    left_out = [LeftOutFile(Path(name), "damaged") for name in names]
    text = written(make_report(tmp_path, left_out=left_out), tmp_path)
    for escaped in (r"bytes \udcff", r"right\u202eleft", r"line\nbreak", "xxx…xxx"):
        assert escaped in text
    assert "x" * 200 not in text


def test_the_report_needs_nothing_else_and_runs_nothing(tmp_path: Path) -> None:
    text = written(make_report(tmp_path, judged([0, 1], [1, 1], 2)), tmp_path)
    assert "default-src 'none'" in text
    assert not re.search(r"(src|href)=\"(?!data:image/jpeg;base64,|#)", text)
    for link in set(re.findall(r'href="#([a-z-]+)"', text)):
        assert text.count(f'id="{link}"') == 1


@pytest.mark.parametrize(("class_count", "has_matrix"), [(2, True), (133, True), (1200, False)])
def test_two_or_many_classes(tmp_path: Path, class_count: int, has_matrix: bool) -> None:
    labels = tuple(f"class {index} of a long name" for index in range(class_count))
    classes = list(range(class_count))
    predicted = [1, *classes[1:]]
    report = make_report(tmp_path, judged(classes, predicted, class_count), labels=labels)
    text = written(report, tmp_path)
    assert ('aria-label="Confusion matrix"' in text) is has_matrix
    assert (
        "class 0 of a long name</bdi> taken for <bdi>class 1 of a long name</bdi>: 1 of 1" in text
    )
    if has_matrix:
        assert text.count('<td class="right strong"') == class_count - 1
        assert text.count('<td class="wrong strong"') == 1
    assert ("And 200 more classes." in text) is (class_count == 1200)


def test_images_are_left_out_before_the_report_is_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = numpy.random.default_rng(0).integers(0, 255, (90, 90, 3)).astype(numpy.uint8)
    for number in range(4):
        (tmp_path / "test").mkdir(exist_ok=True)
        Image.fromarray(noise).save(tmp_path / "test" / f"{number}.png")
    monkeypatch.setattr(thumbnails, "MAX_BYTES", 30_000)
    text = written(make_report(tmp_path, judged([0] * 4, [1] * 4, 2)), tmp_path)
    shown = text.count("data:image/jpeg")
    assert 1 <= shown < 4
    assert text.count("Left out to keep the report small") == 4 - shown


def advice(report: Report) -> str:
    return " ".join(f"{one.what} {one.why}" for one in advise(report))


RIGHT = [0] * 100 + [1] * 100


@pytest.mark.parametrize(
    ("predicted", "changes", "expected"),
    [
        (RIGHT, {}, "Deploy it."),
        ([1] * 30 + RIGHT[30:], {}, "100\xa0% of the training images are classified right, 85.0"),
        ([1] * 30 + RIGHT[30:], {}, "MODE=finetune"),
        ([1] * 30 + RIGHT[30:], {"train_accuracy": 0.86}, "Fine-tune, or use another backbone."),
        ([1] * 30 + RIGHT[30:], {}, "Look at <bdi>cat</bdi>. 70.0\xa0% of its images"),
        ([1] * 30 + RIGHT[30:], {}, "mostly too high"),
        (
            RIGHT,
            {"suspicious": [SuspiciousLabel(file("a.png", "cat", "train"), 0.001, "dog")]},
            "Check 1 label.",
        ),
        (
            [1] * 10 + RIGHT[10:],
            {"similar": [SimilarImages(file(f"test/{n}.png", "cat"), file("t.png", "cat"), 0.95)
                         for n in range(10, 60)]},
            "50 of the 200 images that the model is judged by look nearly like a training image",
        ),
        (
            [1] * 10 + RIGHT[10:],
            {"similar": [SimilarImages(file(f"test/{n}.png", "cat"), file("t.png", "cat"), 0.95)
                         for n in range(10, 60)]},
            "Without them the accuracy is 93.3\xa0%.",
        ),
        (RIGHT, {"left_out": [LeftOutFile(Path("x.heic"), "HEIC")] * 9}, "9 of 269 were not used"),
    ],
)  # fmt: skip
def test_what_to_do_next(
    tmp_path: Path, predicted: list[int], changes: dict[str, Any], expected: str
) -> None:
    assert expected in advice(make_report(tmp_path, judged(RIGHT, predicted, 2), **changes))


def test_a_fine_tuned_model_is_not_told_to_be_fine_tuned(tmp_path: Path) -> None:
    weak = judged(RIGHT, [1] * 30 + RIGHT[30:], 2)
    few = [file(f"{n}.png", "cat" if n < 50 else "dog", "train") for n in range(54)]
    for accuracy, expected in ((1.0, "Add images. 100"), (0.86, "Train longer, or use another")):
        report = make_report(
            tmp_path, weak, train_accuracy=accuracy, has_features=False, images=few
        )
        assert expected in advice(report)
        assert "inetun" not in advice(report)
        assert "Fine-tune" not in advice(report)
        assert "--balanced" not in advice(report)
    text = written(replace(report, train_judged=40, precision="int8", similar=None), tmp_path)
    assert "<small>of 40 of them</small>" in text
    assert "All figures are of the int8 network" in text
    assert "MODE=head" in text
    assert "more than 20,000" not in text


def test_few_images_and_unequal_classes_are_named(tmp_path: Path) -> None:
    trained = [file(f"{n}.png", "cat" if n < 50 else "dog", "train") for n in range(54)]
    few = make_report(tmp_path, judged([0, 1, 0], [0, 1, 1], 2), images=trained)
    assert "Add images of <bdi>dog</bdi>. It has 4 images to train on, the largest class 50" in (
        advice(few)
    )
    assert "Add images to judge by. 3 images give a rough estimate" in advice(few)
    small = make_report(tmp_path, images=[*trained[:15], *trained[-4:]])
    assert "Add images of <bdi>cat</bdi>, <bdi>dog</bdi>. Fewer than 20 images" in advice(small)
    assert "the accuracy is not known" in advice(small)


def test_near_duplicates_are_found_across_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, rows in (("_HELD_BACK_ROWS", 7), ("_TRAIN_ROWS", 13)):
        monkeypatch.setattr(f"classifier.training.dataset.near_duplicates.{name}", rows)
    generator = numpy.random.default_rng(4)
    # As features after an activation: positive, with a large common part.
    train = (generator.normal(size=(60, 40)) + 20).astype(numpy.float32)
    held_back = (generator.normal(size=(30, 40)) + 20).astype(numpy.float32)
    pairs = {3: 58, 17: 0, 29: 31}
    for place, origin in pairs.items():
        held_back[place] = train[origin] + 0.1 * generator.normal(size=40)
    found = find_near_duplicates(train, held_back)
    assert {one.held_back: one.train for one in found} == pairs
    assert [one.similarity for one in found] == sorted(
        (one.similarity for one in found), reverse=True
    )
    assert find_near_duplicates(train, held_back[:0]) == []
    same = numpy.ones((5, 4), dtype=numpy.float32)
    assert find_near_duplicates(same, same) == []  # nothing tells them apart
