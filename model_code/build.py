"""Make the artifact that is deployed, without training.

Takes torchvision's published weights, a state dict in a file, or what train.py wrote, and writes
model.tar.gz, its sha256 and manifest.json. Exits with 3 when published
weights cannot be downloaded.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from classifier.artifact import ArtifactError, read_artifact
from classifier.manifest import ManifestError
from classifier.training.errors import DownloadError, TrainingError
from classifier.training.publication import publish

EXIT_DOWNLOAD_FAILED: Final = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Build; on failure print one line on standard error and return 1, or 3 for a download."""
    options = _parse(arguments)
    try:
        _build(options)
    except DownloadError as error:
        print(f"build.py: {error}", file=sys.stderr)
        return EXIT_DOWNLOAD_FAILED
    except (TrainingError, ManifestError, ArtifactError, OSError) as error:
        print(f"build.py: {error}", file=sys.stderr)
        return 1
    return 0


def _build(options: argparse.Namespace) -> None:
    if options.trained and not options.calibration:
        publish(read_artifact(options.trained), options.output)
        return
    # Only now: torch takes seconds to import, and --help should not.
    from classifier.training.building import Measurements, build_from_trained, build_from_weights

    measurements = Measurements(pictures=options.calibration, int8=options.quantize)
    if options.trained:
        build_from_trained(options.trained, measurements, options.output)
        return
    build_from_weights(
        architecture=options.architecture,
        name=options.name or options.architecture,
        weights_file=options.weights_file,
        labels_file=options.labels,
        measurements=measurements,
        output=options.output,
    )


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="build.py", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--architecture", help="a classifier of torchvision, such as resnet50")
    source.add_argument("--trained", type=Path, help="folder that train.py wrote (--model-dir)")
    parser.add_argument("--weights-file", type=Path, help="state dict, instead of a download")
    parser.add_argument("--labels", type=Path, help="text file, one label a line, in class order")
    parser.add_argument(
        "--quantize",
        action="store_true",
        help="add an int8 network: about 2 to 9 times as fast on CPUs with VNNI or AMX. Half of\n"
        "the pictures of --calibration, 300 at most, set its ranges; the others judge it. It\n"
        "is left out if it answers less than 99 %% of them like fp32, if its accuracy is more\n"
        "than 0.5 points lower, or if less than 50 pictures are held back",
    )
    parser.add_argument(
        "--calibration",
        type=Path,
        help="folder of pictures like those that will be asked about, <label>/<picture> or\n"
        "pictures alone (of a trained model: data/valid). Without --quantize it measures only\n"
        "what fast decoding changes",
    )
    parser.add_argument("--name", help="of the model, in each answer (default: the architecture)")
    parser.add_argument(
        "--output", type=Path, default=Path("build/model"), help="folder (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    if options.trained and (options.weights_file or options.labels or options.name):
        parser.error("--weights-file, --labels and --name go with --architecture")
    if options.quantize and not options.calibration:
        parser.error("--quantize needs pictures: name their folder with --calibration")
    return options


if __name__ == "__main__":
    sys.exit(main())
