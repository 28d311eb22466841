"""The figures of a training job, in its log and in a file that a state machine reads."""

from __future__ import annotations

import asyncio
import hashlib
import json
import statistics
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import numpy

from classifier.artifact.manifest import FILE_BY_PRECISION, Manifest
from classifier.training.cores import core_count
from classifier.training.dataset.scanning import SPLITS, TEST
from classifier.training.dataset.splitting import Dataset
from classifier.training.features.runtime import has_openvino
from classifier.training.options import TrainingOptions

_SCHEMA: Final = 1
_TIMED_IMAGES: Final = 25
_VERSION_LENGTH: Final = 12


def report_metrics(manifest: Manifest, dataset: Dataset, options: TrainingOptions) -> None:
    """In a training job, print the figures of the artifact and write them to its metrics file.

    Args:
        manifest: of the artifact in `options.model_dir`, complete: judged as it is served.
        dataset: of the run.
        options: of the run.
    """
    if options.metrics_file is None:
        return
    names = (f"{split}_{figure}" for split in SPLITS for figure in ("loss", "accuracy"))
    # Six digits, as in the file: a gate compares both.
    line = " ".join(f"{n}={manifest.metrics[n]:.6f}" for n in names if n in manifest.metrics)
    if line:
        print(line, flush=True)
    options.metrics_file.parent.mkdir(parents=True, exist_ok=True)
    temporary = options.metrics_file.with_name(f".{options.metrics_file.name}")
    content = json.dumps(_figures(manifest, dataset, options), indent=2, sort_keys=True)
    temporary.write_text(content + "\n", encoding="utf-8")
    # SageMaker copies the folder to S3 at any time.
    temporary.replace(options.metrics_file)


def split_sha256(dataset: Dataset, split: str) -> str | None:
    """Return a digest of which images with which labels a split has; `None` of an empty one.

    Neither the files' names nor the other splits change it: two models can be compared where it is
    the same.
    """
    lines = sorted(f"{image.sha256} {image.label}\n" for image in dataset.of(split))
    return hashlib.sha256("".join(lines).encode()).hexdigest() if lines else None


def _figures(manifest: Manifest, dataset: Dataset, options: TrainingOptions) -> Mapping[str, Any]:
    served = options.model_dir / FILE_BY_PRECISION[manifest.precisions[-1]]
    return {
        "schema": _SCHEMA,
        "name": manifest.name,
        # Not that of the responses, which the archive's bytes decide: SageMaker packs it later.
        "version": manifest.identity[:_VERSION_LENGTH],
        "architecture": manifest.architecture,
        "mode": options.mode,
        "test_accuracy": manifest.metrics.get("test_accuracy"),
        "valid_accuracy": manifest.metrics.get("valid_accuracy"),
        "test_images": len(dataset.of(TEST)),
        "class_count": len(manifest.labels),
        "data_version": manifest.training_data["version"],
        "test_split_sha256": split_sha256(dataset, TEST),
        "model_bytes": served.stat().st_size,
        "milliseconds_per_image": _milliseconds_per_image(served, manifest),
    }


def _milliseconds_per_image(served: Path, manifest: Manifest) -> float | None:
    """Return how long the serving engine takes for one image alone; `None` where it is missing."""
    if not has_openvino():
        return None
    # Imported here, because it need not be installed.
    from classifier.engines.openvino_engine import OpenVinoEngine

    preprocessing = manifest.preprocessing
    engine = OpenVinoEngine(
        served,
        preprocessing=preprocessing,
        class_count=len(manifest.labels),
        streams=core_count(),
    )
    crop = numpy.zeros((preprocessing.crop, preprocessing.crop, 3), numpy.uint8)
    with asyncio.Runner() as runner, closing(engine):
        engine.warm_up()
        return round(statistics.median(runner.run(_times(engine, crop))), 3)


async def _times(engine: Any, crop: Any) -> list[float]:
    times = []
    for _ in range(_TIMED_IMAGES):
        began = time.perf_counter()
        await engine.infer(crop)
        times.append((time.perf_counter() - began) * 1000)
    return times
