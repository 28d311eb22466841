"""State dicts as people save them: wrapped, with prefixes, with heads of their own."""

from __future__ import annotations

import argparse
import asyncio
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import safetensors.torch
import torch
import torchvision  # type: ignore[import-untyped]  # it ships no types
from torch import nn

import build
from classifier.artifact.directory import read_artifact
from classifier.artifact.packing import unpack_archive
from classifier.engines.openvino_engine import OpenVinoEngine
from classifier.image.preprocessing import normalise
from classifier.training.errors import NetworkError
from classifier.training.weights.fitting import fit_network
from classifier.training.weights.network import build_network, load_backbone, read_state_dict

ARCHITECTURE = "shufflenet_v2_x0_5"
WIDTH = 1024
CROP = 64
Weights = dict[str, torch.Tensor]


def _network(head: nn.Module | None = None) -> nn.Module:
    torch.manual_seed(11)
    network: nn.Module = torchvision.models.shufflenet_v2_x0_5(num_classes=4)
    if head is not None:
        network.fc = head
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d):
            nn.init.uniform_(module.running_mean)  # type: ignore[arg-type]
    return network.eval()


@pytest.fixture(scope="module")
def source() -> nn.Module:
    return _network()


def _scores(network: nn.Module, crop: int = CROP) -> torch.Tensor:
    images = torch.randn((2, 3, crop, crop), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        scores: torch.Tensor = network(images)
    return scores


def _check(weights: Weights, source: nn.Module, *head: str) -> None:
    fitted = fit_network(weights, ARCHITECTURE, CROP, head)
    torch.testing.assert_close(_scores(fitted.network), _scores(source), rtol=0, atol=1e-6)


def _prefixed(weights: Weights, prefix: str) -> Weights:
    return OrderedDict((f"{prefix}{name}", tensor) for name, tensor in weights.items())


@pytest.mark.parametrize(
    "wrap",
    [
        lambda weights: {"state_dict": weights, "epoch": 3, "optimizer": {"state": {0: weights}}},
        lambda weights: {"model": weights, "args": argparse.Namespace(lr=0.1), "epoch": 2},
        lambda weights: {"model_state_dict": weights, "loss": torch.zeros(1)},
        lambda weights: {"model": {"state_dict": weights}},
        lambda weights: {"anything": weights, "optimizer": {"param_groups": []}},
        lambda weights: _prefixed(weights, "module."),
        lambda weights: _prefixed(weights, "_orig_mod."),
        lambda weights: _prefixed(weights, "module._orig_mod.model."),
        lambda weights: {"state_dict": _prefixed(weights, "model.backbone.")},
        lambda weights: {"n_averaged": torch.tensor(5), **_prefixed(weights, "module.")},
        lambda weights: {
            **_prefixed(weights, "model."),
            "criterion.weight": torch.ones(4),
            "val_accuracy.tp": torch.zeros(4),
        },
        lambda weights: {
            name.replace("stage2.", "stage2._orig_mod."): tensor for name, tensor in weights.items()
        },
        lambda weights: {
            name: tensor for name, tensor in weights.items() if "num_batches" not in name
        },
        lambda weights: {name: tensor.double() for name, tensor in weights.items()},
    ],
)
def test_what_wraps_the_weights_is_removed(
    wrap: Callable[[Weights], object], source: nn.Module, tmp_path: Path
) -> None:
    torch.save(wrap(source.state_dict()), tmp_path / "weights.pt")
    _check(read_state_dict(tmp_path / "weights.pt"), source)


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.bin"])
def test_safetensors_are_read_whatever_the_files_name(
    name: str, source: nn.Module, tmp_path: Path
) -> None:
    weights = _prefixed(source.state_dict(), "module.")
    safetensors.torch.save_file(weights, tmp_path / name)
    _check(read_state_dict(tmp_path / name), source)


@pytest.mark.parametrize(
    ("head", "described", "layers"),
    [
        (nn.Linear(WIDTH, 5, bias=False), (), ("Linear(1024, 5)",)),
        (nn.Sequential(nn.Dropout(0.3), nn.Linear(WIDTH, 5)), (), ("Dropout", "Linear(1024, 5)")),
        (nn.Sequential(nn.Linear(WIDTH, 5), nn.LogSoftmax(1)), (), ("Linear(1024, 5)",)),
        (
            nn.Sequential(nn.Linear(WIDTH, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 5)),
            (),
            ("Linear(1024, 8)", "ReLU", "Dropout", "Linear(8, 5)"),
        ),
        (
            nn.Sequential(
                nn.Linear(WIDTH, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 5)
            ),
            (),
            ("Linear(1024, 8)", "BatchNorm1d", "ReLU", "Dropout", "Linear(8, 5)"),
        ),
        (
            nn.Sequential(nn.Linear(WIDTH, 8), nn.GELU(), nn.Linear(8, 5)),
            ("Linear", "GELU", "Linear"),
            ("Linear(1024, 8)", "GELU", "Linear(8, 5)"),
        ),
        (
            nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 5)),
            ("LayerNorm", "Linear"),
            ("LayerNorm", "Linear(1024, 5)"),
        ),
        (
            nn.Sequential(
                OrderedDict(one=nn.Linear(WIDTH, 6), two=nn.SiLU(), three=nn.Linear(6, 5))
            ),
            ("Linear", "SiLU", "Linear"),
            ("Linear(1024, 6)", "SiLU", "Linear(6, 5)"),
        ),
    ],
)
def test_a_replaced_head_is_rebuilt(
    head: nn.Module, described: tuple[str, ...], layers: tuple[str, ...]
) -> None:
    source = _network(head)
    fitted = fit_network(source.state_dict(), ARCHITECTURE, CROP, described)
    expected = _scores(source)
    actual = _scores(fitted.network)
    if isinstance(head, nn.Sequential) and isinstance(head[-1], nn.LogSoftmax):
        actual = actual.log_softmax(1)
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-6)
    assert fitted.class_count == 5
    assert fitted.head is None or fitted.head.layers == layers


def test_a_head_beside_a_backbone_is_rebuilt(source: nn.Module) -> None:
    head = nn.Sequential(nn.Linear(WIDTH, 8), nn.ReLU(), nn.Linear(8, 3))
    weights = {
        name: tensor for name, tensor in source.state_dict().items() if not name.startswith("fc.")
    }
    saved = {**_prefixed(weights, "backbone."), **_prefixed(head.state_dict(), "head.")}
    _check(saved, _network(head))


def test_a_bare_layer_in_place_of_a_sequence_is_rebuilt() -> None:
    torch.manual_seed(4)
    source = torchvision.models.mobilenet_v3_small(num_classes=4)
    source.classifier = nn.Linear(576, 6)
    fitted = fit_network(source.eval().state_dict(), "mobilenet_v3_small", CROP, ())
    torch.testing.assert_close(_scores(fitted.network), _scores(source), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
@pytest.mark.parametrize("has_auxiliary_heads", [True, False])
def test_auxiliary_heads_are_not_needed(name: str, has_auxiliary_heads: bool) -> None:
    options = {"aux_logits": has_auxiliary_heads, "init_weights": False, "transform_input": True}
    with torch.device("cpu"):
        source = torchvision.models.get_model(name, num_classes=4, **options).eval()
    # Only the main head is replaced, as people do.
    source.fc = nn.Linear(source.fc.in_features, 3)
    fitted = fit_network(source.state_dict(), name, 96, ())
    assert not any("aux" in each.lower() for each in fitted.network.state_dict())
    torch.testing.assert_close(
        _scores(fitted.network, 96), _scores(source, 96), rtol=1e-5, atol=1e-5
    )


def test_training_takes_googlenet_without_auxiliary_heads() -> None:
    source = torchvision.models.googlenet(num_classes=4, aux_logits=False, init_weights=False)
    network = build_network("googlenet", 3, 96)
    load_backbone(network, source.state_dict(), "googlenet", 96)
    loaded = network.state_dict()["conv1.conv.weight"]
    assert torch.equal(loaded, source.state_dict()["conv1.conv.weight"])


def _changed(head: nn.Module | None = None, **tensors: torch.Tensor | None) -> Weights:
    weights = _network(head).state_dict()
    for name, tensor in tensors.items():
        weights[name.replace("__", ".")] = tensor
    return {name: tensor for name, tensor in weights.items() if tensor is not None}


@pytest.mark.parametrize(
    ("weights", "described", "reason"),
    [
        (
            _changed(
                nn.Sequential(
                    nn.Linear(WIDTH, 8), nn.ReLU(), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 5)
                )
            ),
            (),
            (
                r"a head of their own, fc, with 0: Linear, 2: BatchNorm1d, 4: Linear\. Which .* "
                "such as --head Linear,BatchNorm1d,ReLU,Dropout,Linear"
            ),
        ),
        (
            _changed(nn.Sequential(nn.Conv1d(WIDTH, 8, 1), nn.Linear(8, 5))),
            (),
            r"fc, with a layer with weight \[8, 1024, 1\], bias \[8\], which cannot be rebuilt",
        ),
        (
            _changed(nn.Sequential(nn.Linear(WIDTH, 8), nn.ReLU(), nn.Linear(8, 5))),
            ("Linear", "ReLU", "Dropout", "Linear"),
            "--head says Linear,ReLU,Dropout,Linear, but fc has 0: Linear, 2: Linear",
        ),
        (_changed(), ("Linear",), "these weights have its own, so leave it out"),
        (
            _changed(nn.Sequential(nn.Linear(WIDTH // 2, 5))),
            (),
            r"cannot compute images of 64 x 64 pixels \(.*; check --crop and the head",
        ),
        (_changed(fc__bias=torch.tensor([1, 2, 3, torch.nan])), (), "fc.bias has 1 values of NaN"),
        (
            _changed(
                nn.Sequential(nn.Linear(WIDTH, 5)), **{"fc__0__bias": torch.full((5,), torch.inf)}
            ),
            (),
            r"fc\.0\.bias has 5 values of NaN or infinity",
        ),
        (
            {**_prefixed(_changed(), "student."), **_prefixed(_changed(), "teacher.")},
            (),
            r"hold 2 networks, named 'student\.', 'teacher\.'",
        ),
        ({**_changed(), "extra.weight": torch.zeros(2)}, (), r"1 unknown \(extra\.weight\)"),
        (_changed(fc__weight=None, fc__bias=None), (), "its fc.bias is missing"),
    ],
)
def test_what_cannot_be_rebuilt_is_refused(
    weights: Weights, described: tuple[str, ...], reason: str
) -> None:
    with pytest.raises(NetworkError, match=reason):
        fit_network(weights, ARCHITECTURE, CROP, described)


class _Owner:
    pass


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (nn.Linear(2, 2), "holds a pickled torch.nn.modules.linear.Linear beside the tensors"),
        ({"state_dict": {"a": torch.zeros(1)}, "who": _Owner()}, "holds a pickled .*_Owner"),
        ({"a": {"x": torch.zeros(1)}, "b": {"x": torch.zeros(1)}}, "several state dicts: 'a', 'b'"),
    ],
)
def test_a_file_of_something_else_says_what_to_save(
    content: object, reason: str, tmp_path: Path
) -> None:
    torch.save(content, tmp_path / "weights.pt")
    with pytest.raises(NetworkError, match=reason):
        read_state_dict(tmp_path / "weights.pt")


@pytest.mark.parametrize("content", [b"", b"\x10\0\0\0\0\0\0\0{", b"\xff" * 20])
def test_a_damaged_safetensors_file_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    with pytest.raises(NetworkError, match="damaged or no safetensors file"):
        read_state_dict(path)
    path.unlink()
    with pytest.raises(NetworkError, match="cannot be read: No such file"):
        read_state_dict(path)


def _built(folder: Path) -> tuple[Any, Any]:
    unpack_archive(folder / "model.tar.gz", folder / "unpacked")
    artifact = read_artifact(folder / "unpacked")
    manifest = artifact.manifest
    engine = OpenVinoEngine(
        artifact.model_path("fp32"),
        preprocessing=manifest.preprocessing,
        class_count=len(manifest.labels),
        streams=1,
    )
    return manifest, engine


def test_a_checkpoint_of_timm_with_another_head_is_served_as_it_was(
    labels_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import timm

    torch.manual_seed(6)
    source: Any = timm.create_model("test_resnet", pretrained=False, num_classes=4)
    source.fc = nn.Sequential(
        nn.Linear(source.num_features, 9), nn.ReLU(), nn.Dropout(), nn.Linear(9, 4)
    )
    torch.save(
        {"state_dict": _prefixed(source.eval().state_dict(), "module.model."), "epoch": 1},
        tmp_path / "checkpoint.pth.tar",
    )
    given = (
        "--architecture", "timm/test_resnet", "--weights-file", tmp_path / "checkpoint.pth.tar",
        "--labels", labels_file, "--resize", CROP, "--crop", CROP, "--output", tmp_path / "made",
    )  # fmt: skip
    assert build.main([*map(str, given)]) == 0
    output = capsys.readouterr().out
    assert "images are preprocessed as for test_resnet.r160_in1k: --interpolation" in output
    assert "its fc is replaced by Linear(" in output
    assert (
        "ReLU is assumed. If it is another, give every layer, such as --head Linear,GELU" in output
    )
    manifest, engine = _built(tmp_path / "made")
    assert (manifest.name, manifest.architecture) == ("test_resnet", "timm/test_resnet")
    assert manifest.training_data["source"] == "weights file"
    assert manifest.training_data["head"].endswith("ReLU, Dropout, Linear(9, 4)")
    pixels = numpy.random.default_rng(2).integers(0, 256, (CROP, CROP, 3)).astype(numpy.uint8)
    with torch.inference_mode():
        image = torch.from_numpy(normalise(pixels, manifest.preprocessing))[None]
        expected = source(image)[0].numpy()

    async def serve() -> Any:
        return await engine.infer(pixels)

    numpy.testing.assert_allclose(asyncio.run(serve()), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (
            ("--architecture", "resnet50"),
            (
                "the preprocessing is not known, because .*_Weights.IMAGENET1K_V2 and 1 more "
                "differ in it. Add what the weights were trained with: --resize 232 or --resize 256"
            ),
        ),
        (
            ("--architecture", "resnet18", "--crop", "96"),
            "--crop is 96, not as for ResNet18_Weights.*; add the --resize that goes with it",
        ),
        (("--architecture", "resnet18", "--std", "0"), "std = .* expected numbers above 0"),
        (("--architecture", "timm/resnet18.nonsense"), "Invalid pretrained tag"),
        (("--architecture", "test_resnett"), "such as timm/test_resnet"),
        (("--architecture", "resnet18", "--head", "Linear,Rélu"), "--head has no layer 'Rélu'"),
    ],
)
def test_what_is_missing_or_wrong_is_told(
    arguments: tuple[str, ...],
    reason: str,
    weights_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import re

    given = ("--weights-file", str(weights_file), "--output", str(tmp_path / "made"))
    assert build.main([*arguments, *given]) == 1
    error = capsys.readouterr().err
    assert re.search(reason, error), error
    assert error.startswith("build.py: ")
    assert error.count("\n") == 1
    assert not (tmp_path / "made").exists()


def test_timms_own_weights_are_not_downloaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("--architecture", "test_resnet", "--output", str(tmp_path))
    assert build.main([*given]) == 3
    assert "download the file and give it with --weights-file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (
            ("--architecture", "resnet18", "--mean", "0.5"),
            "--mean requires --weights-file or --onnx",
        ),
        (("--trained", "x", "--resize", "9"), "--resize requires --weights-file or --onnx"),
        (("--onnx", "x", "--head", "Linear"), "--head requires --weights-file"),
        (("--onnx", "x", "--weights-file", "y"), "--weights-file requires --architecture"),
        (
            ("--onnx", "x", "--std", "1/0"),
            "'1/0' is no number; expected one such as 0.485",
        ),
    ],
)
def test_flags_without_their_source_are_refused(
    arguments: tuple[str, ...], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        build.main([*arguments])
    assert caught.value.code == 2
    assert reason in capsys.readouterr().err
