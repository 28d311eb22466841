"""What an artifact says and holds of its test images, whatever trained the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from classifier.artifact.manifest import Manifest
from classifier.training.head.judging import Judgement
from classifier.training.measuring.baseline import measure_baseline
from classifier.training.options import TrainingOptions
from classifier.training.samples import write_samples


def add_test_images(
    manifest: Manifest, judgement: Judgement, paths: Sequence[Path], options: TrainingOptions
) -> Manifest:
    """Write samples beside the manifest; return it with the baseline.

    Args:
        manifest: of the artifact in `options.model_dir`; the file is not written.
        judgement: of the network on the test images.
        paths: of these images.
        options: of the run.
    """
    write_samples(
        judgement.logits,
        judgement.classes,
        paths,
        manifest.labels,
        options.samples,
        options.model_dir,
    )
    return replace(manifest, baseline=measure_baseline(manifest, judgement.logits, paths))
