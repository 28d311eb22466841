"""One training run, from folders of images to an artifact."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from torchvision.datasets import ImageFolder  # type: ignore[import-untyped]  # it ships no types

from classifier.artifact.manifest import Manifest, Preprocessing
from classifier.training.dataset.dataset_manifest import (
    DATASET_MANIFEST_FILE,
    labelled_files,
    write_dataset_manifest,
)
from classifier.training.dataset.demo_data import is_demo
from classifier.training.dataset.folders import (
    evaluation_transform,
    load_images,
    training_transform,
)
from classifier.training.dataset.selection import split_folder, use_folders
from classifier.training.errors import DataError, NetworkError
from classifier.training.export import ModelDescription, write_artifact
from classifier.training.finetune.loop import (
    Batches,
    Evaluation,
    evaluate,
    make_batches,
    train_one_epoch,
)
from classifier.training.finetune.unseen import add_test_images, published_backbone
from classifier.training.measuring.quantization import check_packages
from classifier.training.options import TrainingOptions
from classifier.training.weights.network import build_network, load_backbone, read_state_dict
from classifier.training.weights.pretrained import published_weights


def train(options: TrainingOptions) -> None:
    """Train, measure and write the artifact; prints lines of `name=value` metrics.

    Raises:
        TrainingError: options, images or weights that cannot be used; see its subclasses.
        ManifestError: a preprocessing out of bounds.
    """
    if options.quantize:
        check_packages()
    torch.manual_seed(options.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    preprocessing = _preprocessing(options)
    images = _load_splits(options, preprocessing)
    labels = tuple(images["train"].classes)
    network = _initial_network(options, preprocessing, len(labels))
    network = network.to(device).to(memory_format=torch.channels_last)
    counts = {split: len(found) for split, found in images.items()}
    start = "random" if options.from_scratch else "trained"
    numbers = ", ".join(f"{len(found)} {split}" for split, found in images.items())
    print(f"{len(labels)} classes, images: {numbers}")
    print(f"{options.architecture} from {start} weights on {device}", flush=True)
    batches = {split: _batches(found, split, options) for split, found in images.items()}
    # Weights that decay towards zero would otherwise be computed in slow denormal numbers.
    torch.set_flush_denormal(True)
    try:
        metrics = _fit(network, batches, options, device)
    finally:
        # It is a mode of the processor: whatever else runs in this process would compute in it.
        torch.set_flush_denormal(False)
    options.output_dir.mkdir(parents=True, exist_ok=True)
    torch.save(network.state_dict(), options.output_dir / "weights.pt")
    options.model_dir.mkdir(parents=True, exist_ok=True)
    files = {split: found.samples for split, found in images.items()}
    version = write_dataset_manifest(
        labelled_files(files, labels), options.output_dir / DATASET_MANIFEST_FILE
    )
    description = ModelDescription(
        name=options.name or options.architecture,
        architecture=options.architecture,
        labels=labels,
        preprocessing=preprocessing,
        metrics=metrics | ({"test_images": counts["test"]} if "test" in counts else {}),
        training_data=_training_data(options, counts, version),
        backbone=published_backbone(options),
    )
    print("exporting to ONNX (up to a minute)", flush=True)
    manifest = write_artifact(network, description, options.model_dir)
    if "test" in files:
        manifest = add_test_images(network, manifest, files["test"], options, device)
    if options.quantize:
        manifest = _quantize(options, images)
    print(f"{options.model_dir}: {manifest.name}, identity {manifest.identity[:12]}")


def _training_data(
    options: TrainingOptions, counts: dict[str, int], version: str
) -> dict[str, Any]:
    folder = options.folders["train"]
    demo = {"demo": True} if folder and is_demo(folder) else {}
    name = folder.resolve().parent.name if folder else ""
    return {"source": "folder", "name": name, "version": version, "images": counts, **demo}


def _quantize(options: TrainingOptions, images: dict[str, ImageFolder]) -> Manifest:
    # Only now: it imports OpenVINO, which a training job has only where it quantizes.
    from classifier.training.measuring.measuring import measure

    valid, labels = Path(images["valid"].root), images["train"].classes
    if "test" in images:
        selection = use_folders(valid, Path(images["test"].root), labels)
    else:
        selection = split_folder(valid, labels)
    return measure(options.model_dir, selection, int8=True)


def _preprocessing(options: TrainingOptions) -> Preprocessing:
    published = published_weights(options.architecture)[0].preprocessing
    crop = options.crop or published.crop
    # The published proportion of resize to crop, where only the crop is given.
    proportional = round(crop * published.resize / published.crop)
    return Preprocessing(
        resize=options.resize or proportional,
        crop=crop,
        interpolation=options.interpolation or published.interpolation,
        mean=published.mean,
        std=published.std,
    )


def _load_splits(options: TrainingOptions, preprocessing: Preprocessing) -> dict[str, ImageFolder]:
    images: dict[str, ImageFolder] = {}
    for split, folder in options.folders.items():
        if folder is None or (split == "test" and not folder.exists()):
            continue
        transform = (
            training_transform(preprocessing, options.augmentation)
            if split == "train"
            else evaluation_transform(preprocessing)
        )
        images[split] = load_images(folder, transform)
        _check_labels(images["train"].classes, images[split].classes, folder)
    return images


def _check_labels(trained: list[str], found: list[str], folder: Path) -> None:
    if len(trained) < 2:
        raise DataError(f"{folder} has one label alone ({trained[0]}); two or more are needed")
    if found != trained:
        different = sorted(set(found) ^ set(trained))
        raise DataError(f"{folder} has other labels than the training images: {different}")


def _initial_network(
    options: TrainingOptions, preprocessing: Preprocessing, class_count: int
) -> torch.nn.Module:
    architecture, crop = options.architecture, preprocessing.crop
    network = build_network(architecture, class_count, crop)
    try:
        with torch.inference_mode():
            network.eval()(torch.zeros(1, 3, crop, crop))
    except (RuntimeError, AssertionError, ValueError) as error:
        raise NetworkError(
            f"{architecture} cannot take images of {crop} x {crop} pixels; try a larger --crop"
        ) from error
    if options.weights_file:
        weights = read_state_dict(options.weights_file)
        load_backbone(network, weights, architecture, crop)
    elif not options.from_scratch:
        weights = published_weights(architecture)[0].load()
        load_backbone(network, weights, architecture, crop)
    return network


def _batches(images: ImageFolder, split: str, options: TrainingOptions) -> Batches:
    return make_batches(
        images,
        batch_size=options.batch_size,
        worker_count=options.data_workers,
        shuffle_seed=options.seed if split == "train" else None,
    )


def _fit(
    network: torch.nn.Module,
    batches: dict[str, Batches],
    options: TrainingOptions,
    device: torch.device,
) -> dict[str, float]:
    optimizer = torch.optim.AdamW(
        network.parameters(),
        lr=options.learning_rate,
        weight_decay=options.weight_decay,
        fused=True,
    )
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=options.learning_rate,
        total_steps=options.epochs * len(batches["train"]),
    )
    started = time.monotonic()
    metrics: dict[str, float] = {}
    for epoch in range(1, options.epochs + 1):
        train_loss = train_one_epoch(network, batches["train"], optimizer, scheduler, device)
        metrics = _named(evaluate(network, batches["valid"], device), "valid")
        values = {"train_loss": train_loss, **metrics}
        seconds = time.monotonic() - started
        print(f"epoch={epoch} {_metric_line(values)} seconds={seconds:.0f}", flush=True)
    if "test" in batches:
        test = _named(evaluate(network, batches["test"], device), "test")
        print(_metric_line(test), flush=True)
        metrics |= test
    return {"epochs": options.epochs, **metrics}


def _named(evaluation: Evaluation, split: str) -> dict[str, float]:
    return {f"{split}_{name}": round(value, 6) for name, value in vars(evaluation).items()}


def _metric_line(values: dict[str, float]) -> str:
    return " ".join(f"{name}={value:.4f}" for name, value in values.items())
