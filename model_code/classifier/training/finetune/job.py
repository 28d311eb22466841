"""Fine-tuning, from folders of images to an artifact."""

from __future__ import annotations

from typing import Any

import torch

from classifier.artifact.directory import file_sha256
from classifier.artifact.manifest import Manifest, Preprocessing
from classifier.training.dataset.dataset_manifest import (
    DATASET_MANIFEST_FILE,
    data_source,
    labelled_files,
    write_dataset_manifest,
)
from classifier.training.dataset.selection import LabelledImage, use_splits
from classifier.training.errors import NetworkError, TrainingError
from classifier.training.export import ModelDescription, write_artifact
from classifier.training.finetune.checkpoint import CHECKPOINT_FILE
from classifier.training.finetune.head_first import fit_head_first
from classifier.training.finetune.images import ImageSplits, find_splits
from classifier.training.finetune.loader import Loader
from classifier.training.finetune.optimisation import (
    freeze_batch_norm,
    has_batch_norm,
    make_optimisation,
)
from classifier.training.finetune.run import Plan, Run
from classifier.training.finetune.unseen import judge_test_images, published_backbone
from classifier.training.measuring.quantization import check_packages
from classifier.training.options import TrainingOptions
from classifier.training.report.summary import print_left_out
from classifier.training.weights import timm_networks
from classifier.training.weights.network import (
    build_network,
    head_names,
    load_backbone,
    read_state_dict,
)
from classifier.training.weights.pretrained import published_weights


def train(options: TrainingOptions) -> None:
    """Train, measure and write the artifact; prints lines of `name=value` metrics.

    From random weights every layer is trained at one rate, and the last epoch is taken. Otherwise
    the head comes first, the other layers follow at a lower rate, and the best epoch is taken.

    Raises:
        TrainingError: options, images or weights that cannot be used; see its subclasses.
        ManifestError: a preprocessing out of bounds.
    """
    if options.quantize:
        check_packages()
    torch.manual_seed(options.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    preprocessing = _preprocessing(options)
    splits = find_splits(options)
    network = _initial_network(options, preprocessing, len(splits.labels))
    network = network.to(device).to(memory_format=torch.channels_last)
    _print_start(options, splits, device)
    loader = Loader(options, splits, preprocessing, device)
    # Weights that decay towards zero would otherwise be computed in slow denormal numbers.
    torch.set_flush_denormal(True)
    try:
        metrics = _fit(network, splits, loader, options, device)
    finally:
        # It is a mode of the processor: whatever else runs in this process would compute in it.
        torch.set_flush_denormal(False)
    options.output_dir.mkdir(parents=True, exist_ok=True)
    torch.save(network.state_dict(), options.output_dir / "weights.pt")
    options.model_dir.mkdir(parents=True, exist_ok=True)
    version = write_dataset_manifest(
        labelled_files(splits.files, splits.labels), options.output_dir / DATASET_MANIFEST_FILE
    )
    description = ModelDescription(
        name=options.name or options.architecture.removeprefix(timm_networks.PREFIX),
        architecture=options.architecture,
        labels=splits.labels,
        preprocessing=preprocessing,
        metrics=metrics,
        training_data=_training_data(options, splits, version),
        backbone=published_backbone(options),
    )
    print("exporting to ONNX (up to a minute)", flush=True)
    manifest = write_artifact(network, description, options.model_dir)
    if tested := splits.files.get("test"):
        manifest = judge_test_images(network, manifest, tested, options, device)
    if options.quantize:
        manifest = _quantize(options, splits)
    # Last: until here, an interrupted run goes on from it.
    (options.checkpoint_dir / CHECKPOINT_FILE).unlink(missing_ok=True)
    print(f"{options.model_dir}: {manifest.name}, identity {manifest.identity[:12]}")


def _print_start(options: TrainingOptions, splits: ImageSplits, device: torch.device) -> None:
    numbers = ", ".join(f"{len(files)} {split}" for split, files in splits.files.items())
    print(f"{len(splits.labels)} classes, images: {numbers}")
    print_left_out(splits.left_out)
    start = "random" if options.from_scratch else "trained"
    print(f"{options.architecture} from {start} weights on {device}", flush=True)


def _training_data(options: TrainingOptions, splits: ImageSplits, version: str) -> dict[str, Any]:
    counts = {split: len(files) for split, files in splits.files.items()}
    demo = {"demo": True} if splits.is_demo else {}
    return {**data_source(options), "version": version, "images": counts, **demo}


def _quantize(options: TrainingOptions, splits: ImageSplits) -> Manifest:
    # Only now: it imports OpenVINO, which a training job has only where it quantizes.
    from classifier.training.measuring.measuring import measure

    valid, test = (
        [
            LabelledImage(path, splits.labels[index], sha256)
            for path, index, sha256 in splits.files.get(split, ())
        ]
        for split in ("valid", "test")
    )
    return measure(options.model_dir, use_splits(valid, test), int8=True)


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


def _fit(
    network: torch.nn.Module,
    splits: ImageSplits,
    loader: Loader,
    options: TrainingOptions,
    device: torch.device,
) -> dict[str, float]:
    fine_tunes = not options.from_scratch
    # With statistics of its own batches, batches of 128 too, EfficientNet-Lite0 falls from 86 % to
    # 70 % of the validation photos in its first epoch, and is below 82 % after eight.
    if fine_tunes:
        freeze_batch_norm(network)
    elif options.batch_size == 1 and has_batch_norm(network):
        raise TrainingError(
            f"{options.architecture} needs two or more images a step: give --batch-size 2 or more"
        )
    crop = _preprocessing(options).crop
    head = head_names(options.architecture, crop)
    batches, order = loader.for_training()
    optimisation = make_optimisation(
        network,
        head,
        learning_rate=options.learning_rate,
        backbone_learning_rate=options.peak_rate_of_backbone,
        weight_decay=options.weight_decay,
        step_count=options.epochs * len(order),
    )
    plan = Plan(
        epochs=options.epochs,
        patience=options.epochs_without_better,
        keep_best=fine_tunes or options.epochs_without_better > 0,
        freeze_batch_norm=fine_tunes,
        checkpoint=options.checkpoint_dir / CHECKPOINT_FILE,
        description=_describe(options, splits, device),
    )
    valid = loader.as_served("valid")
    run = Run(network, optimisation, batches, order, valid, plan, device)
    if options.restart:
        plan.checkpoint.unlink(missing_ok=True)
    if not run.resume() and fine_tunes:
        _fit_head(network, head, loader, len(splits.labels), device)
        run.judge_start()
    return run.finish()


def _fit_head(
    network: torch.nn.Module,
    head: list[str],
    loader: Loader,
    class_count: int,
    device: torch.device,
) -> None:
    print("Fitting the head first", flush=True)
    train, valid = loader.as_served("train"), loader.as_served("valid")
    if not fit_head_first(network, head, train, valid, class_count=class_count, device=device):
        print("The head is not fitted first: it is not one linear layer")


def _describe(
    options: TrainingOptions, splits: ImageSplits, device: torch.device
) -> dict[str, str]:
    """Return what decides the result of a run, by the names of the flags."""
    preprocessing = _preprocessing(options)
    weights = options.weights_file
    values = {
        "--architecture": options.architecture,
        "--augmentation": options.augmentation,
        "--backbone-learning-rate": options.peak_rate_of_backbone,
        "--batch-size": options.batch_size,
        "--crop": preprocessing.crop,
        "--epochs": options.epochs,
        "--from-scratch": options.from_scratch,
        "--interpolation": preprocessing.interpolation,
        "--learning-rate": options.learning_rate,
        "--patience": options.epochs_without_better,
        "--resize": preprocessing.resize,
        "--seed": options.seed,
        "--weight-decay": options.weight_decay,
        "the device": device.type,
        "the digest of --weights-file": file_sha256(weights)[:12] if weights else "none",
        "the digest of the images": splits.sha256()[:12],
    }
    return {name: str(value) for name, value in values.items()}
