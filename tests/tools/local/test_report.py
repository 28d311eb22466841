"""The output of `make up` after the deployment."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.tools.local.api import Api, Response, predicted
from tests.tools.local.test_deployment import DEPLOYMENT
from tools.console import ToolError
from tools.local.report import report
from tools.local.sample import choose_sample

DIGITS = [str(digit) for digit in range(10)]
CAT: dict[str, Any] = {"label": "Egyptian cat", "index": 285, "probability": 0.625}
NOT_READY = Response(503, {"error": {"code": "model_not_ready", "message": "Wait."}})


def run_report(
    api_url: str, labels: list[str], file: Path = Path("local.json"), *, demo: bool = False
) -> None:
    deployment = replace(DEPLOYMENT, api_url=api_url, labels=labels)
    report(deployment, model="resnet50", demo=demo, folder=Path("none"), file=file, seconds=33.2)


def test_a_photo_without_a_label_gets_no_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    with Api(predicted(CAT)) as api:
        run_report(api.url, ["Egyptian cat", "tabby"])
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "Model: resnet50, 2 classes" in printed.out
    assert "the model sees: Egyptian cat." in printed.out
    assert printed.out.index("Page:") < printed.out.index("62.50%  Egyptian cat")


def test_a_paused_stage_is_told_in_place_of_a_request(capsys: pytest.CaptureFixture[str]) -> None:
    deployment = replace(DEPLOYMENT, api_url="http://127.0.0.1:9/", labels=DIGITS)
    report(
        deployment, model="resnet50", demo=False, folder=Path("none"), file=Path("local.json"),
        seconds=5, paused=True,
    )  # fmt: skip
    printed = capsys.readouterr()
    assert "API:   http://127.0.0.1:9/predict" in printed.out
    assert printed.out.endswith("until `make resume STAGE=local`.\n")
    assert printed.err == ""


def test_a_wrong_label_is_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    expected = choose_sample(demo=True).label
    wrong = {"label": "0", "index": 0, "probability": 0.5}
    with Api(predicted(wrong)) as api:
        run_report(api.url, DIGITS, demo=True)
    printed = capsys.readouterr()
    assert f"The image shows: {expected}. The model says: 0." in printed.out
    assert printed.err.startswith("Warning: the model misclassified an image")


def test_a_model_of_ones_own_with_the_demos_labels_is_not_judged(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Api(predicted({"label": "0", "index": 0, "probability": 0.5})) as api:
        run_report(api.url, DIGITS)
    printed = capsys.readouterr()
    assert "In samples/cat.jpg the model sees: 0." in printed.out
    assert printed.err == ""


def test_the_latency_is_not_that_of_the_first_request(capsys: pytest.CaptureFixture[str]) -> None:
    with Api(predicted(CAT, delay_seconds=0.5), predicted(CAT)) as api:
        run_report(api.url, ["a", "b"])
    assert len(api.received) == 2
    shown = re.search(r"resnet50 0123456789ab, (\d+) ms", capsys.readouterr().out)
    assert shown
    assert int(shown[1]) < 400


def test_a_model_that_is_not_ready_at_once_is_no_failure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Api(NOT_READY, predicted(CAT)) as api:
        run_report(api.url, ["a", "b"])
    assert "Egyptian cat" in capsys.readouterr().out


@pytest.mark.parametrize("response", [NOT_READY, Response(200, {"predictions": []})])
def test_an_api_that_fails_is_told_after_the_summary_with_its_logs(
    response: Response, capsys: pytest.CaptureFixture[str]
) -> None:
    with Api(response) as api, pytest.raises(ToolError) as failed:
        run_report(api.url, ["a", "b"])
    assert f"API:   {api.url}predict" in capsys.readouterr().out
    assert str(response.status) in str(failed.value)
    assert "logs of the function and the model server: /somewhere" in str(failed.value)


def test_the_printed_command_works_where_paths_have_spaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "it's a place"
    folder.mkdir()
    DEPLOYMENT.write(folder / "local.json")
    monkeypatch.chdir(tmp_path)
    with Api(predicted(CAT)) as api:
        run_report(api.url, ["a", "b"], folder / "local.json")
        printed = capsys.readouterr().out
        command = printed[printed.index("curl ") :].partition("\n\n")[0]
        ended = subprocess.run(
            ["bash", "-c", command],  # noqa: S607 - as a person has it
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    assert '"Egyptian cat"' in ended.stdout
    assert api.received[-1].headers["x-api-key"] == DEPLOYMENT.api_key
    assert api.received[-1].path == "/v1/predict?top_k=3"


@pytest.mark.parametrize(
    ("page_url", "shown"),
    [
        ("http://127.0.0.1:4580/", "Page:  http://127.0.0.1:4580/#key=a%2Bb%26c%23"),
        (None, "Page:  none: [web] enabled = false"),
    ],
)
def test_the_pages_link_has_the_key_in_its_fragment(
    capsys: pytest.CaptureFixture[str], page_url: str | None, shown: str
) -> None:
    with Api(predicted(CAT)) as api:
        deployment = replace(DEPLOYMENT, api_url=api.url, api_key="a+b&c#", page_url=page_url)
        report(
            deployment,
            model="m",
            demo=False,
            folder=Path("none"),
            file=Path("local.json"),
            seconds=1.0,
        )
    assert shown in capsys.readouterr().out


def test_another_models_sample_is_the_photo() -> None:
    sample = choose_sample(demo=False)
    assert sample.image.is_file()
    assert (sample.label, sample.content_type) == (None, "image/jpeg")


def test_a_model_with_samples_is_tried_on_its_first(tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    for name in ("02-shoes.jpg", "01-dress.jpg", "notes.txt"):
        (tmp_path / "samples" / name).write_bytes(b"\xff\xd8\xff")
    sample = choose_sample(demo=False, model=tmp_path)
    assert (sample.image.name, sample.label) == ("01-dress.jpg", None)


def test_the_demos_sample_is_a_held_back_digit() -> None:
    sample = choose_sample(demo=True)
    assert sample.label == sample.image.parent.name
    assert "test" in sample.image.parts
