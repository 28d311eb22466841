"""Fine-tuning, from folders of images to an artifact."""

from __future__ import annotations

import torch

from classifier.artifact.directory import file_sha256
from classifier.artifact.manifest import Preprocessing
from classifier.training.dataset.scanning import TRAIN, VALID
from classifier.training.dataset.splitting import Dataset
from classifier.training.distributed.workers import ALONE, Workers
from classifier.training.errors import TrainingError
from classifier.training.finetune.artifact import write_files
from classifier.training.finetune.checkpoint import CHECKPOINT_FILE, remove_checkpoint
from classifier.training.finetune.head_first import fit_head_first
from classifier.training.finetune.images import find_dataset
from classifier.training.finetune.loader import Loader
from classifier.training.finetune.optimisation import (
    freeze_batch_norm,
    has_batch_norm,
    make_optimisation,
)
from classifier.training.finetune.run import Plan, Run
from classifier.training.finetune.start import choose_preprocessing, start_network
from classifier.training.measuring.quantization import check_packages
from classifier.training.options import TrainingOptions
from classifier.training.report.summary import print_left_out
from classifier.training.weights.initial import find_initial_weights
from classifier.training.weights.network import head_names

_SEEDS_APART = 1_000_003


def train(options: TrainingOptions, workers: Workers = ALONE) -> None:
    """Train, measure and write the artifact; prints lines of `name=value` metrics.

    Several workers share the images of each step, which `--batch-size` counts for all of them: two
    with 16 images each train as one with 32. The first one measures and writes.

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
    initial = (
        None
        if options.from_scratch
        else find_initial_weights(options.architecture, options.weights_file)
    )
    preprocessing = choose_preprocessing(options, initial)
    dataset = find_dataset(options, workers)
    network = start_network(options, initial, preprocessing.crop, len(dataset.labels))
    network = network.to(device).to(memory_format=torch.channels_last)
    if workers.rank:
        # Else each would leave out the same numbers in its layers of dropout.
        torch.manual_seed(options.seed + workers.rank * _SEEDS_APART)
    _print_start(options, dataset, device)
    loader = Loader(options, dataset, preprocessing, device, workers)
    # Weights that decay towards zero would otherwise be computed in slow denormal numbers.
    torch.set_flush_denormal(True)
    try:
        metrics = _fit(network, dataset, loader, preprocessing, options, device, workers)
    finally:
        # It is a mode of the processor: whatever else runs in this process would compute in it.
        torch.set_flush_denormal(False)
    if not workers.is_first:
        return
    manifest = write_files(network, metrics, dataset, initial, preprocessing, options)
    # Last: until here, an interrupted run goes on from it.
    remove_checkpoint(options.checkpoint_dir / CHECKPOINT_FILE)
    print(f"{options.model_dir}: {manifest.name}, identity {manifest.identity[:12]}")


def _print_start(options: TrainingOptions, dataset: Dataset, device: torch.device) -> None:
    numbers = ", ".join(f"{count} {split}" for split, count in dataset.counts.items() if count)
    print(f"{len(dataset.labels)} classes, images: {numbers}")
    print_left_out(dataset.left_out)
    start = "random" if options.from_scratch else "trained"
    print(f"{options.architecture} from {start} weights on {device}", flush=True)


def _fit(
    network: torch.nn.Module,
    dataset: Dataset,
    loader: Loader,
    preprocessing: Preprocessing,
    options: TrainingOptions,
    device: torch.device,
    workers: Workers,
) -> dict[str, float]:
    fine_tunes = not options.from_scratch
    # With statistics of its own batches, batches of 128 too, EfficientNet-Lite0 falls from 86 % to
    # 70 % of the validation photos in its first epoch, and is below 82 % after eight.
    smallest = 2
    if fine_tunes:
        freeze_batch_norm(network)
    elif has_batch_norm(network):
        smallest = 2 * workers.count
        network = _with_common_statistics(network, smallest, options, device, workers)
    head = head_names(options.architecture, preprocessing.crop)
    batches, order = loader.for_training(smallest)
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
        description=_describe(options, dataset, preprocessing, device, workers),
    )
    valid = loader.as_served(VALID)
    run = Run(network, optimisation, batches, order, valid, plan, device, workers)
    if options.restart and workers.is_first:
        remove_checkpoint(plan.checkpoint)
    if not run.resume() and fine_tunes:
        _fit_head(network, head, loader, len(dataset.labels), device, workers)
        run.judge_start()
    return run.finish()


def _with_common_statistics(
    network: torch.nn.Module,
    smallest: int,
    options: TrainingOptions,
    device: torch.device,
    workers: Workers,
) -> torch.nn.Module:
    """Return a network whose trained batch normalisation takes the images of all workers.

    Raises:
        TrainingError: a worker would have less than two images a step.
    """
    if options.batch_size < smallest:
        each = "" if workers.count == 1 else f" of each of the {workers.count} workers"
        raise TrainingError(
            f"{options.architecture} needs two or more images a step{each}: give "
            f"--batch-size {smallest} or more"
        )
    if workers.count == 1 or device.type != "cuda":
        return network  # torch has it for GPUs alone
    converted: torch.nn.Module = torch.nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
    return converted


def _fit_head(
    network: torch.nn.Module,
    head: list[str],
    loader: Loader,
    class_count: int,
    device: torch.device,
    workers: Workers,
) -> None:
    print("Fitting the head first", flush=True)
    train, valid = loader.as_served(TRAIN), loader.as_served(VALID)
    if not fit_head_first(
        network, head, train, valid, class_count=class_count, device=device, workers=workers
    ):
        print("The head is not fitted first: it is not one linear layer")


def _describe(
    options: TrainingOptions,
    dataset: Dataset,
    preprocessing: Preprocessing,
    device: torch.device,
    workers: Workers,
) -> dict[str, str]:
    """Return what decides the result of a run, by the names of the flags."""
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
        "the digest of the images": dataset.sha256[:12],
    }
    if workers.count > 1:
        values["the number of workers"] = workers.count
    return {name: str(value) for name, value in values.items()}
