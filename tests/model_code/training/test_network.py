from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import pytest
import torch

from classifier.training.errors import DownloadError, NetworkError
from classifier.training.weights.initial import find_initial_weights, initial_network
from classifier.training.weights.network import (
    build_network,
    class_count_of,
    digest,
    load_backbone,
    load_weights,
    read_state_dict,
)
from classifier.training.weights.pretrained import PublishedWeights, published_weights


class _Harmful:
    """Unpickling this would make a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self._path,)


def test_an_unknown_architecture_is_refused_with_the_known_ones() -> None:
    with pytest.raises(NetworkError, match=r"'resnet51'.*resnet50"):
        build_network("resnet51", 10, 224)


@pytest.mark.parametrize(
    ("architecture", "crop"),
    [
        ("mobilenet_v2", 224),
        ("densenet121", 224),
        ("vit_b_16", 384),
        ("inception_v3", 299),
        ("regnet_y_400mf", 224),
    ],
)
def test_the_number_of_classes_is_read_from_the_weights(architecture: str, crop: int) -> None:
    weights = build_network(architecture, 7, crop).state_dict()
    assert class_count_of(weights, architecture, crop) == 7


def test_weights_of_another_architecture_are_refused(weights_file: Path) -> None:
    weights = read_state_dict(weights_file)
    network = build_network("resnet34", 4, 224)
    with pytest.raises(NetworkError, match=r"of its 218 tensors: 96 missing \(layer1\.2\."):
        load_weights(network, weights, "resnet34")
    with pytest.raises(NetworkError, match=r"1 unknown \(extra\)"):
        load_weights(
            build_network("resnet18", 4, 224), {**weights, "extra": torch.zeros(1)}, "resnet18"
        )
    with pytest.raises(NetworkError, match=r"its classifier\.1\.bias is missing"):
        class_count_of(weights, "mobilenet_v2", 224)


def test_only_the_head_is_replaced(weights_file: Path) -> None:
    weights = read_state_dict(weights_file)
    network = build_network("resnet18", 9, 224)
    head = network.state_dict()["fc.weight"].clone()
    load_backbone(network, weights, "resnet18", 224)
    loaded = network.state_dict()
    assert torch.equal(loaded["fc.weight"], head)
    assert torch.equal(loaded["conv1.weight"], weights["conv1.weight"])


def test_old_names_of_densenet_are_understood() -> None:
    network = build_network("densenet121", 3, 224)
    old = OrderedDict(
        (name.replace(".norm1.", ".norm.1.").replace(".conv2.", ".conv.2."), tensor)
        for name, tensor in network.state_dict().items()
    )
    assert any(".norm.1." in name for name in old)
    load_weights(build_network("densenet121", 3, 224), old, "densenet121")


def test_the_digest_is_of_the_values_and_not_of_the_file(
    weights_file: Path, tmp_path: Path
) -> None:
    weights = read_state_dict(weights_file)
    other = OrderedDict(reversed(weights.items()))
    torch.save(other, tmp_path / "other.pt", _use_new_zipfile_serialization=False)
    assert digest(read_state_dict(tmp_path / "other.pt")) == digest(weights)
    other["fc.bias"] = other["fc.bias"] + 1e-6
    assert digest(other) != digest(weights)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "damaged or no file of torch.save"),
        (b"not a pickle", "damaged or no file of torch.save"),
        (b"PK\x03\x04" + bytes(100), "damaged or no file of torch.save"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_file_that_holds_no_weights_is_refused(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    path = tmp_path / "weights.pt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(NetworkError, match=reason):
        read_state_dict(path)


@pytest.mark.parametrize("content", [[1, 2], {"model": {"a": 1}}, {1: torch.zeros(1)}])
def test_a_file_that_holds_something_else_is_refused(tmp_path: Path, content: object) -> None:
    path = tmp_path / "weights.pt"
    torch.save(content, path)
    with pytest.raises(NetworkError, match="holds no state dict"):
        read_state_dict(path)


def test_a_file_cannot_run_code(tmp_path: Path) -> None:
    path, trace = tmp_path / "weights.pt", tmp_path / "ran"
    torch.save({"weight": _Harmful(trace)}, path)
    with pytest.raises(NetworkError):
        read_state_dict(path)
    assert not trace.exists()


def test_published_weights_bring_labels_preprocessing_and_figures() -> None:
    weights = published_weights("resnet50")[0]
    assert weights.name == "ResNet50_Weights.IMAGENET1K_V2"
    assert len(weights.labels) == 1000
    assert (weights.preprocessing.resize, weights.preprocessing.crop) == (232, 224)
    assert weights.metrics["valid_accuracy"] == pytest.approx(0.80858)
    assert published_weights("efficientnet_b0")[0].preprocessing.interpolation == "bicubic"


def test_a_published_file_is_known_by_its_hash(tmp_path: Path) -> None:
    path = tmp_path / "resnet50-11ad3fa6.pth"
    path.write_bytes(b"not the published file, whatever its name")
    assert not any(weights.is_file(path) for weights in published_weights("resnet50"))


def test_a_published_file_has_its_own_preprocessing_and_provenance(
    weights_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In both modes of training; the older weights of ResNet-50 are not its default ones."""
    monkeypatch.setattr(PublishedWeights, "is_file", lambda self, _: self.name.endswith("_V1"))
    weights = find_initial_weights("resnet50", weights_file)
    assert (weights.preprocessing.resize, weights.training_data["weights"]) == (
        256, "ResNet50_Weights.IMAGENET1K_V1",
    )  # fmt: skip
    monkeypatch.undo()
    unknown = find_initial_weights("resnet50", weights_file)
    assert unknown.preprocessing.resize == 232
    assert unknown.training_data == {"source": "weights file"}


def test_the_provenance_of_weights_is_that_of_their_network_however_they_were_saved(
    weights_file: Path, tmp_path: Path
) -> None:
    saved = read_state_dict(weights_file)
    wrapped = {
        f"module.{name}": tensor
        for name, tensor in saved.items()
        if not name.endswith("num_batches_tracked")
    }
    torch.save({"state_dict": wrapped, "epoch": 3}, tmp_path / "checkpoint.pth")
    network, description = initial_network("resnet18", tmp_path / "checkpoint.pth")
    assert description.labels == ("0", "1", "2", "3")
    found = find_initial_weights("resnet18", tmp_path / "checkpoint.pth").backbone
    assert found.sha256 == digest(network.state_dict()) == digest(saved)


def test_a_download_that_fails_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(DownloadError, match=r"resnet18-f37072fd\.pth .*--weights-file") as caught:
        published_weights("resnet18")[0].load()
    assert "--architecture efficientnet_lite0" in str(caught.value)
    assert "--from-scratch" in str(caught.value)
