"""The precision that a network is computed in, by the settings, the artifact and the processor."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from pathlib import Path

import numpy
import pytest

from classifier.artifact.directory import Artifact, ArtifactError, read_artifact
from classifier.artifact.measurements import Bfloat16
from classifier.engines import selection
from classifier.engines.engine import EngineError
from classifier.engines.processor import has_bf16
from classifier.engines.selection import computed_precision, load_engine
from classifier.image.preprocessing import FloatArray
from classifier.serving.settings import ServerSettings, read_settings
from tests.model_code.training.exported_network import CROP

ALLOWED = Bfloat16(
    held_back_images=60, agreement=1.0, fp32_accuracy=None, bf16_accuracy=None, accepted=True
)


@pytest.fixture
def artifact(artifact_folder: Path) -> Artifact:
    found = read_artifact(artifact_folder)
    return replace(found, manifest=replace(found.manifest, bfloat16=ALLOWED))


def settings_of(precision: str, **variables: str) -> ServerSettings:
    return read_settings({"WHIPPET_PRECISION": precision, "WHIPPET_WORKERS": "1"} | variables)


def logits(artifact: Artifact, precision: str) -> FloatArray:
    crop = numpy.random.default_rng(1).integers(0, 256, (CROP, CROP, 3), dtype=numpy.uint8)

    async def compute() -> FloatArray:
        return await load_engine(artifact, settings_of(precision)).infer(crop)

    return asyncio.run(compute())


@pytest.mark.skipif(not has_bf16(), reason="this machine's processor has no bf16")
def test_bf16_is_computed_where_the_processor_has_it(
    artifact: Artifact, caplog: pytest.LogCaptureFixture
) -> None:
    assert computed_precision(artifact, settings_of("bf16")) == "bf16"
    exact, rounded = logits(artifact, "fp32"), logits(artifact, "bf16")
    assert 0 < abs(rounded - exact).max() < 0.1 * abs(exact).max()
    assert numpy.array_equal(logits(artifact, "auto"), exact)
    assert not caplog.records


def test_a_processor_without_bf16_computes_fp32_and_the_log_says_so(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(selection, "has_bf16", lambda: False)
    assert computed_precision(artifact, settings_of("bf16")) == "fp32"
    exact = logits(artifact, "fp32")
    assert not caplog.records
    assert numpy.array_equal(logits(artifact, "bf16"), exact)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "no bf16 (AVX512-BF16 or AMX-BF16): the network is computed in fp32" in record.message


@pytest.mark.parametrize("record", [None, replace(ALLOWED, accepted=False)])
def test_an_artifact_that_was_not_judged_or_did_not_pass_is_refused(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch, record: Bfloat16 | None
) -> None:
    refused = replace(artifact, manifest=replace(artifact.manifest, bfloat16=record))
    # Everywhere: what starts on one machine starts on all.
    for has_it in (True, False):
        monkeypatch.setattr(selection, "has_bf16", lambda has_it=has_it: has_it)
        with pytest.raises(ArtifactError, match=r"does not allow bf16: .*build\.py --bf16"):
            load_engine(refused, settings_of("bf16"))


def test_bf16_is_refused_with_the_engine_of_gpus(artifact: Artifact) -> None:
    settings = settings_of("bf16", WHIPPET_ENGINE="onnxruntime-cuda")
    with pytest.raises(EngineError, match=r"bf16, which is for CPUs: .* auto, fp32 or fp16"):
        load_engine(artifact, settings)
