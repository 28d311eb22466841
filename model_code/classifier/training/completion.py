"""Complete an artifact that was trained: its int8 network, and its figures on unseen images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from classifier.artifact.manifest import Manifest
from classifier.training.dataset.scanning import TEST, TRAIN, VALID
from classifier.training.dataset.selection import LabelledImage, use_splits
from classifier.training.dataset.splitting import Dataset
from classifier.training.features.runtime import (
    Computed,
    ImageNetwork,
    compute_images,
    has_openvino,
    runtime,
    tell_other_runtime,
)
from classifier.training.head.judging import Judgement
from classifier.training.manifest_files import write_manifest
from classifier.training.measuring.baseline import measure_baseline
from classifier.training.options import TrainingOptions
from classifier.training.report.contents import Report
from classifier.training.samples import write_samples

# Of the training images, to tell how well they are classified.
MAX_TRAIN_SAMPLE: Final = 1000


@dataclass(frozen=True)
class Completed:
    """An artifact with its figures, and what they were computed from.

    Attributes:
        manifest: as it is written.
        judgements: by split.
    """

    manifest: Manifest
    judgements: Mapping[str, Judgement]

    @property
    def unseen_split(self) -> str:
        """The split that the artifact is judged by: the test, or validation without one."""
        return TEST if TEST in self.judgements else VALID

    @property
    def unseen(self) -> Judgement | None:
        """Results on that split; `None` without images."""
        return self.judgements.get(self.unseen_split)


def add_int8_network(folder: Path, dataset: Dataset) -> Manifest:
    """Add an int8 network to an artifact, if the held-back images show that it is good enough.

    Args:
        folder: of the artifact.
        dataset: its validation images calibrate, its test images judge.

    Returns:
        The new manifest, which is written.
    """
    # Imported here: it imports torch and NNCF, which take seconds.
    from classifier.training.measuring.measuring import measure

    valid, test = (
        [
            LabelledImage(dataset.folder / image.path, image.label, image.sha256)
            for image in dataset.of(split)
        ]
        for split in (VALID, TEST)
    )
    return measure(folder, use_splits(valid, test), int8=True)


def complete_artifact(
    manifest: Manifest,
    network: ImageNetwork,
    dataset: Dataset,
    splits: Sequence[str],
    options: TrainingOptions,
) -> Completed:
    """Run the network that is served over held-back images; write figures and samples.

    Args:
        manifest: of the artifact in `options.model_dir`.
        network: of the artifact, as it is served.
        dataset: of the run.
        splits: to judge by; one without images is left out.
        options: of the run.

    Raises:
        DataError: an image can no longer be read.
        NetworkError: an output is not finite.
    """
    tell_other_runtime()
    precision = manifest.precisions[-1]
    if precision != "fp32":
        print(
            f"Judged by the {precision} network, which is served unless the precision of a stage "
            "is fp32"
        )
    computed = {
        split: compute_images(network, paths) for split in splits if (paths := dataset.paths(split))
    }
    judgements = {
        split: Judgement(result.outputs, dataset.classes(split))
        for split, result in computed.items()
    }
    metrics = dict(manifest.metrics)
    for split, judgement in judgements.items():
        metrics |= judgement.metrics(split)
    judged_by = runtime() if precision == "fp32" else f"{runtime()}, {precision}"
    manifest = replace(
        manifest,
        metrics=metrics,
        training_data={**manifest.training_data, "judged_by": judged_by},
    )
    if TEST in computed:
        manifest = _with_test_images(manifest, computed[TEST], dataset, options)
    write_manifest(manifest, options.model_dir)
    return Completed(manifest, judgements)


def _with_test_images(
    manifest: Manifest, computed: Computed, dataset: Dataset, options: TrainingOptions
) -> Manifest:
    """Write samples beside the manifest; return it with the baseline."""
    write_samples(
        computed.outputs,
        dataset.classes(TEST),
        dataset.paths(TEST),
        manifest.labels,
        options.samples,
        options.model_dir,
    )
    baseline = measure_baseline(manifest, computed.outputs, computed.appearances)
    return replace(manifest, baseline=baseline)


def judge_training_images(network: ImageNetwork, dataset: Dataset) -> Judgement:
    """Run a network over the training images, or over every n-th of many."""
    step = math.ceil(len(dataset.of(TRAIN)) / MAX_TRAIN_SAMPLE)
    outputs = compute_images(network, dataset.paths(TRAIN)[::step]).outputs
    return Judgement(outputs, dataset.classes(TRAIN)[::step])


def describe_run(
    completed: Completed, trained: Judgement, dataset: Dataset, version: str
) -> Report:
    """Return what the report of any run says.

    Args:
        completed: the artifact and its judgement.
        trained: results on training images.
        dataset: of the run.
        version: of the dataset.
    """
    manifest = completed.manifest
    return Report(
        name=manifest.name,
        folder=dataset.folder,
        labels=dataset.labels,
        images=dataset.images,
        dataset_version=version,
        precision=manifest.precisions[-1],
        unseen=completed.unseen,
        unseen_images=dataset.of(completed.unseen_split),
        train_accuracy=trained.accuracy,
        train_judged=trained.count,
        left_out=dataset.left_out,
        judged_by=None if has_openvino() else runtime(),
    )
