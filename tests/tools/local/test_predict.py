import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.tools.local.api import Api, predicted
from tests.tools.local.test_deployment import DEPLOYMENT
from tools.cdk import ROOT

CAT = str(ROOT / "samples" / "cat.jpg")


def predict(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tools.local.predict", *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_bad_input_is_told_without_a_traceback(tmp_path: Path) -> None:
    DEPLOYMENT.write(tmp_path / "local.json")
    deployed = ("--deployment", str(tmp_path / "local.json"))
    os.mkfifo(tmp_path / "pipe.png")
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(2**40)
    for arguments, reason in (
        ((CAT, "--deployment", str(tmp_path / "nothing.json")), "Run `make up`"),
        (
            (str(tmp_path / "missing.png"), *deployed),
            "missing.png does not exist: expected an image",
        ),
        ((str(tmp_path / "pipe.png"), *deployed), "pipe.png is a device or a pipe: expected an"),
        ((str(tmp_path / "huge.png"), *deployed), "huge.png has more than 10 MiB"),
        ((CAT, *deployed), "cannot be reached"),
    ):
        ended = predict(*arguments)
        assert ended.returncode == 1
        assert reason in ended.stderr
        assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--top-k", "0"), "'0' is neither a whole number above 0 nor `all`"),
        (("--top-k", "many"), "'many' is neither"),
        (("--order", "label"), "invalid choice: 'label'"),
        (("--scores", "odds"), "invalid choice: 'odds'"),
        (("--order", "class", "--top-k", "3"), "remove --top-k"),
    ],
)
def test_an_option_that_the_api_would_refuse_is_refused(
    options: tuple[str, ...], reason: str
) -> None:
    ended = predict("image.png", *options)
    assert ended.returncode == 2
    assert reason in ended.stderr


def test_every_option_reaches_the_api(tmp_path: Path) -> None:
    predictions = [{"label": "cat", "index": 0, "logit": 3.25}]
    with Api(predicted(*predictions), predicted(*predictions)) as api:
        replace(DEPLOYMENT, api_url=api.url).write(tmp_path / "local.json")
        image = (CAT, "--deployment", str(tmp_path / "local.json"))
        ended = predict(*image, "--scores", "logits", "--top-k", "all")
        predict(*image, "--order", "class")
    assert [one.path for one in api.received] == [
        "/v1/predict?top_k=all&scores=logits", "/v1/predict?order=class",
    ]  # fmt: skip
    assert ended.stdout.startswith("    +3.2500  cat\n  resnet50 ")
