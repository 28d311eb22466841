"""The inputs of a model: what the builder wrote, and the same for an earlier checkout."""

import hashlib
import json
import tarfile
from pathlib import Path

import pytest

from bench import inputs
from classifier.artifact.directory import read_artifact
from classifier.artifact.manifest import Manifest, Preprocessing
from classifier.artifact.measurements import Bfloat16

NETWORK = b"a network"


def _manifest(*, accepted: bool) -> Manifest:
    return Manifest(
        name="net",
        architecture="net",
        labels=("cat", "dog"),
        preprocessing=Preprocessing(
            resize=256, crop=224, interpolation="bicubic", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)
        ),
        output="logits",
        weights_sha256="0" * 64,
        exporter_version=1,
        files={"model.onnx": hashlib.sha256(NETWORK).hexdigest()},
        bfloat16=Bfloat16(
            held_back_images=60,
            agreement=1.0,
            fp32_accuracy=None,
            bf16_accuracy=None,
            accepted=accepted,
        ),
    )


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Stand in for the builder and the maker of images; return what was to be run."""
    run: list[list[str]] = []

    def build(*command: str | Path) -> str:
        run.append([str(part) for part in command])
        if "--output" in command:
            folder = Path(command[command.index("--output") + 1])
            folder.mkdir()
            (folder / "model.onnx").write_bytes(NETWORK)
            (folder / "manifest.json").write_text(_manifest(accepted=True).to_json())
            with tarfile.open(folder / "model.tar.gz", "w:gz") as archive:
                for name in ("model.onnx", "manifest.json"):
                    archive.add(folder / name, name)
        return ""

    monkeypatch.setattr(inputs, "run_program", build)
    return run


def test_an_earlier_checkout_gets_the_same_network_without_bf16(
    commands: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = inputs.prepare_model("efficientnet_lite0", Path("a cache"))
    own, earlier = (read_artifact(each / "artifact") for each in (folder, inputs.earlier(folder)))
    document = json.loads((inputs.earlier(folder) / "artifact" / "manifest.json").read_text())
    assert "bfloat16" not in document
    assert earlier.manifest.identity == own.manifest.identity
    assert earlier.manifest.files == own.manifest.files
    # Made once.
    count = len(commands)
    assert inputs.prepare_model("efficientnet_lite0", Path("a cache")) == folder
    assert len(commands) == count


@pytest.mark.parametrize(
    ("model", "made_by"), [("efficientnet_lite0", "--crops"), ("resnet50", "--model")]
)
def test_every_model_is_checked_for_int8_and_bf16(
    model: str, made_by: str, commands: list[list[str]], tmp_path: Path
) -> None:
    folder = inputs.prepare_model(model, tmp_path)
    make, build = commands
    assert made_by in make
    assert {"--quantize", "--bf16", str(folder / "calibration")} <= set(build)
    # Published weights are not given.
    assert ("--weights-file" in build) == (model == "resnet50")


@pytest.mark.parametrize(
    ("accepted", "processor", "expected"),
    [
        (True, True, {"fp32", "bf16"}),
        (True, False, {"fp32"}),
        (False, True, {"fp32"}),
    ],
)
def test_bf16_needs_the_check_and_the_processor(
    accepted: bool,
    processor: bool,
    expected: set[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inputs, "has_bf16", lambda: processor)
    artifact = tmp_path / "artifact"
    artifact.mkdir()
    (artifact / "model.onnx").write_bytes(NETWORK)
    (artifact / "manifest.json").write_text(_manifest(accepted=accepted).to_json())
    found = inputs.networks(tmp_path)
    assert set(found) == expected
    assert set(found.values()) == {artifact / "model.onnx"}
