import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.test_local_deployment import DEPLOYMENT
from tools.api_client import ApiAnswer
from tools.cdk import ROOT
from tools.console import ToolError
from tools.predict import describe
from tools.sample import choose_sample


def predict(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tools.predict", *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_an_answer_in_lines() -> None:
    content = {
        "predictions": [{"label": "cat", "index": 0, "probability": 0.912}],
        "model": {"name": "resnet50", "version": "0123456789ab"},
        "request_id": "r",
    }
    told = describe(ApiAnswer(status=200, content=content, milliseconds=41.6))
    assert told == "   91.20%  cat\n  resnet50 0123456789ab, 42 ms"


@pytest.mark.parametrize("content", [{"error": {"code": "throttled"}}, {"message": "Too Long"}])
def test_an_error_is_an_error(content: dict[str, object]) -> None:
    with pytest.raises(ToolError, match=r"answered 429: .*(throttled|Too Long)"):
        describe(ApiAnswer(status=429, content=content, milliseconds=1.0))


def test_bad_input_is_told_without_a_traceback(tmp_path: Path) -> None:
    DEPLOYMENT.write(tmp_path / "local.json")
    deployed = ("--deployment", str(tmp_path / "local.json"))
    (tmp_path / "note.txt").write_text("hello")
    for arguments, reason in (
        (("picture.png", "--deployment", str(tmp_path / "nothing.json")), "Run `make up`"),
        ((str(tmp_path / "note.txt"), *deployed), "must be a .jpg, .jpeg, .png or .webp"),
        ((str(tmp_path / "missing.png"), *deployed), "No such file or directory"),
        ((str(ROOT / "samples" / "cat.jpg"), *deployed), "cannot be reached"),
    ):
        ended = predict(*arguments)
        assert ended.returncode == 1
        assert reason in ended.stderr
        assert "Traceback" not in ended.stderr


def test_another_models_sample_is_the_photo() -> None:
    sample = choose_sample(["cat", "dog"])
    assert sample.picture.is_file()
    assert (sample.label, sample.content_type) == (None, "image/jpeg")


def test_the_demos_sample_is_a_held_back_digit() -> None:
    sample = choose_sample([str(digit) for digit in range(10)])
    assert sample.label == sample.picture.parent.name
    assert "test" in sample.picture.parts
