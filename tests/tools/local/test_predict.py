import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.tools.local.api import Api, Response, predicted
from tests.tools.local.test_deployment import DEPLOYMENT
from tests.tools.run_module import run_module
from tools.cdk import ROOT

CAT = str(ROOT / "samples" / "cat.jpg")


def predict(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run_module("tools.local.predict", *arguments)


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
        ((str(tmp_path), *deployed), f"name a pattern: '{tmp_path}/**/*.jpg'"),
        (
            (str(tmp_path / "huge.png"), *deployed),
            "huge.png is too large for the API and cannot be made smaller",
        ),
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


TOO_LARGE = Response(413, {"error": {"code": "image_too_large", "message": "Smaller."}})
SHOWN = predicted(
    {"label": "cat", "index": 0, "probability": 0.75},
    {"label": "dog", "index": 1, "probability": 0.25},
)
# These tests have no Pillow: the environment of the model server draws.
DRAW = """
import random, sys
from PIL import Image
side = int(sys.argv[2])
pixels = random.Random(1).randbytes(side * side // 2 * 3)
image = Image.frombytes("RGB", (side, side // 2), pixels)
exif = Image.Exif()
exif[0x0112] = 6  # upright after a quarter turn to the right
image.save(sys.argv[1], "JPEG", quality=95, exif=exif)
"""


def draw(file: Path, side: int) -> Path:
    python = ROOT / ".venvs/serving/bin/python"
    subprocess.run([str(python), "-c", DRAW, str(file), str(side)], check=True)
    return file


def size_of_jpeg(content: bytes) -> tuple[int, int]:
    start = content.index(b"\xff\xc0")
    return (
        int.from_bytes(content[start + 7 : start + 9], "big"),
        int.from_bytes(content[start + 5 : start + 7], "big"),
    )


@pytest.fixture
def deployed(tmp_path: Path) -> list[str]:
    return ["--deployment", str(tmp_path / "local.json")]


def deploy(tmp_path: Path, api: Api) -> None:
    replace(DEPLOYMENT, api_url=api.url).write(tmp_path / "local.json")


def test_what_is_too_large_for_the_api_is_made_smaller_and_upright(
    tmp_path: Path, deployed: list[str]
) -> None:
    large = draw(tmp_path / "größe 1.jpg", 3000)
    assert large.stat().st_size > 4 << 20
    with Api(SHOWN) as api:
        deploy(tmp_path, api)
        ended = predict(str(large), *deployed)
    assert (ended.returncode, ended.stderr) == (0, "")
    (received,) = api.received
    assert len(received.body) < 4 << 20
    assert size_of_jpeg(received.body) == (1024, 2048)


def test_an_image_of_too_many_pixels_is_made_smaller_and_sent_again(
    tmp_path: Path, deployed: list[str]
) -> None:
    with Api(TOO_LARGE, SHOWN) as api:
        deploy(tmp_path, api)
        ended = predict(CAT, *deployed)
    assert ended.stdout.startswith("   75.00%  cat\n")
    first, second = api.received
    assert first.body == Path(CAT).read_bytes()
    assert second.body != first.body
    with Api(TOO_LARGE) as api:
        deploy(tmp_path, api)
        ended = predict(CAT, *deployed)
    assert len(api.received) == 2, "not for ever"
    assert (ended.returncode, ended.stderr.count("413 (image_too_large)")) == (1, 1)


def test_what_cannot_be_made_smaller_is_told(tmp_path: Path, deployed: list[str]) -> None:
    (tmp_path / "large.jpg").write_bytes(b"\xff\xd8\xff" + bytes(5 << 20))
    with Api(SHOWN) as api:
        deploy(tmp_path, api)
        ended = predict(str(tmp_path / "large.jpg"), CAT, *deployed)
    assert ended.returncode == 1
    assert "large.jpg is too large for the API and cannot be made smaller: " in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout.startswith(f"{CAT} "), "the other image has its row"


def test_several_files_are_a_table(tmp_path: Path, deployed: list[str]) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    shutil.copy(CAT, folder / "no-suffix")
    for name in ("a.jpg", "b.txt", ".DS_Store"):
        (folder / name).write_bytes(b"no image")
    with Api(SHOWN) as api:
        deploy(tmp_path, api)
        ended = predict(CAT, str(folder), *deployed)
        all_of_them = predict(CAT, str(folder), "--top-k", "2", *deployed)
    width = max(len(CAT), len(f"{folder}/no-suffix"))
    rows = [f"{file:{width}}  cat   75.00%  dog 25.00%" for file in (CAT, f"{folder}/no-suffix")]
    assert ended.stdout.splitlines() == rows == all_of_them.stdout.splitlines()
    assert ended.stderr == "Not a JPEG, PNG or WebP, so left out: a.jpg, b.txt\n"


def test_json_has_a_line_for_each_image(tmp_path: Path, deployed: list[str]) -> None:
    with Api(Response(503, "down"), SHOWN) as api:
        deploy(tmp_path, api)
        ended = predict("--json", CAT, CAT, *deployed)
    assert ended.returncode == 1
    refused, good = map(json.loads, ended.stdout.splitlines())
    assert (refused["file"], refused["status"], refused["response"]) == (CAT, 503, "down")
    assert good["response"] == SHOWN.body
    assert good["milliseconds"] >= 0
    (tmp_path / "large.jpg").write_bytes(b"\xff\xd8\xff" + bytes(5 << 20))
    ended = predict("--json", str(tmp_path / "large.jpg"), *deployed)
    failed = json.loads(ended.stdout)
    assert (ended.returncode, ended.stderr) == (1, "")
    assert failed["file"] == str(tmp_path / "large.jpg")
    assert "cannot be made smaller" in failed["error"]


@pytest.mark.parametrize("body", ["<html>", {"predictions": [], "model": {"name": "m"}}])
def test_json_fails_where_a_response_has_no_predictions(
    body: Any, tmp_path: Path, deployed: list[str]
) -> None:
    with Api(Response(200, body)) as api:
        deploy(tmp_path, api)
        ended = predict("--json", CAT, *deployed)
    assert (ended.returncode, ended.stderr) == (1, "")
    assert json.loads(ended.stdout)["response"] == body


def test_a_missing_file_does_not_end_the_others(tmp_path: Path, deployed: list[str]) -> None:
    missing = str(tmp_path / "no such größe.png")
    with Api(SHOWN) as api:
        deploy(tmp_path, api)
        ended = predict(missing, CAT, CAT, *deployed)
        as_json = predict("--json", missing, CAT, *deployed)
    assert (ended.returncode, as_json.returncode) == (1, 1)
    assert ended.stderr.startswith(f"{missing} does not exist: expected an image")
    rows = ended.stdout.splitlines()
    assert [row.removeprefix(CAT).split()[0] for row in rows] == ["cat", "cat"]
    assert as_json.stderr == ""
    first, second = map(json.loads, as_json.stdout.splitlines())
    assert (first["file"], second["file"]) == (missing, CAT)
    assert "does not exist" in first["error"]
    assert second["response"] == SHOWN.body


def test_a_name_controls_no_terminal(tmp_path: Path, deployed: list[str]) -> None:
    hostile = tmp_path / "\x1b[2J\n\u202e.png"
    for file in (hostile, tmp_path / os.fsdecode(b"\xff.png")):
        shutil.copy(CAT, file)
    refusal = Response(400, {"error": {"code": "not_an_image", "message": "No."}})
    with Api(refusal, SHOWN) as api:
        deploy(tmp_path, api)
        ended = subprocess.run(
            [sys.executable, "-m", "tools.local.predict", str(tmp_path / "*.png"), *deployed],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert "\\x1b[2J\\n\\u202e.png: The API responded with 400" in ended.stderr
    name, *cells = ended.stdout.splitlines()[-1].rpartition("\\udcff.png")[::2]
    assert (name, cells[0].split()) == (f"{tmp_path}/", ["cat", "75.00%", "dog", "25.00%"])
    assert "\x1b" not in ended.stdout + ended.stderr
