"""Scan and split labelled images as `make train` does, for the training jobs of a stage.

Writes into --output: `dataset.jsonl`, the dataset's manifest, and last `layout.json`, which names
the file of each image and its place.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Final

from classifier.training.dataset.archives import unpack_zip
from classifier.training.dataset.dataset_manifest import (
    DATASET_MANIFEST_FILE,
    write_dataset_manifest,
)
from classifier.training.dataset.layout import lay_out
from classifier.training.dataset.readability import find_unreadable
from classifier.training.dataset.scanning import SPLITS, scan_folder
from classifier.training.dataset.splitting import Dataset, split_scan
from classifier.training.errors import DataError, TrainingError
from classifier.training.program import reason_of, run_program
from classifier.training.report.summary import print_counts, print_left_out

LAYOUT_FILE: Final = "layout.json"
_SEED: Final = 0  # train.py's default, so that a laptop's splits are the same


def main() -> int:
    """Write the layout; if that is impossible, print one line on standard error and return 1."""
    parser = argparse.ArgumentParser(
        prog="python -m classifier.training.dataset", description=__doc__
    )
    parser.add_argument("--data", type=Path, required=True, help="folder or zip of images")
    parser.add_argument("--cache-dir", type=Path, required=True, help="where zips are unpacked")
    parser.add_argument("--output", type=Path, required=True, help="folder to write into")
    arguments = parser.parse_args()
    try:
        _write(_read(arguments.data, arguments.cache_dir), arguments.output)
    except (TrainingError, OSError) as error:
        print(reason_of(error), file=sys.stderr)
        return 1
    return 0


def _read(data: Path, cache: Path) -> Dataset:
    scan = scan_folder(data if data.is_dir() else unpack_zip(data, cache / "datasets"))
    print_counts(scan)
    dataset = split_scan(scan, find_unreadable(scan), _SEED)
    print_left_out(dataset.left_out)
    if empty := [split for split in SPLITS if not dataset.counts[split]]:
        raise DataError(
            f"{data} has too few images to hold some back for {' and '.join(empty)}: a training "
            "job is judged on images that it has not seen. Expected three or more images of a class"
        )
    return dataset


def _write(dataset: Dataset, output: Path) -> None:
    layout_file = output / LAYOUT_FILE
    layout_file.unlink(missing_ok=True)
    placed = lay_out(dataset)
    version = write_dataset_manifest(
        [each.image for each in placed], output / DATASET_MANIFEST_FILE
    )
    content = {
        "version": version,
        "labels": dataset.labels,
        "counts": dataset.counts,
        "left_out": len(dataset.left_out),
        # In ASCII: a path may be bytes that are no UTF-8.
        "files": [
            {
                "source": str(each.source),
                "place": each.image.path.as_posix(),
                "sha256": each.image.sha256,
            }
            for each in placed
        ],
    }
    partial = layout_file.with_suffix(".partial")
    partial.write_text(json.dumps(content), encoding="ascii")
    partial.replace(layout_file)


if __name__ == "__main__":
    run_program(main)
