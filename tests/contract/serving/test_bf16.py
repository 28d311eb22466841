"""The precision bf16: what the artifact and the processor make of it."""

from __future__ import annotations

from pathlib import Path

from tests.contract.serving.artifacts import write_artifact
from tests.contract.serving.server import serving, start

RECORD = {
    "held_back_images": 100,
    "agreement": 1.0,
    "fp32_accuracy": None,
    "bf16_accuracy": None,
    "accepted": True,
}
FLAGS = {"avx512_bf16", "amx_bf16"}


def test_the_log_says_what_the_processor_computes(
    context: Path, images: Path, tmp_path: Path
) -> None:
    model = write_artifact(tmp_path / "model", bfloat16=RECORD)
    has_bf16 = bool(FLAGS & set(Path("/proc/cpuinfo").read_text().split()))
    with serving(context, tmp_path / "log", model, WHIPPET_PRECISION="bf16") as server:
        reply = server.invoke((images / "green.png").read_bytes())
        assert reply.body["predictions"][0]["label"] == "green"
        entries = server.log_entries()
    (loaded,) = (each for each in entries if each["message"] == "model loaded")
    warnings = [each["message"] for each in entries if each["level"] == "WARNING"]
    if has_bf16:
        assert (loaded["precision"], warnings) == ("bf16", [])
    else:
        assert loaded["precision"] == "fp32"
        assert "this processor has no bf16" in warnings[0]


def test_a_model_that_was_not_judged_is_refused_in_one_line(
    context: Path, artifact: Path, tmp_path: Path
) -> None:
    log = tmp_path / "refused.log"
    process = start(context, log, "--port", "0", "--model-dir", artifact, WHIPPET_PRECISION="bf16")
    assert process.wait(timeout=30) == 1
    (line,) = log.with_suffix(".err").read_text().splitlines()
    assert "does not allow bf16: check it with build.py --bf16 --calibration DIR" in line
