"""Build the artifact that is deployed, without training.

The input is published weights, a state dict in a file, or the output of train.py. Writes
model.tar.gz, its sha256 and manifest.json. Exits with 3 if published weights cannot be downloaded.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Final

from classifier.artifact.directory import ArtifactError, read_artifact
from classifier.artifact.manifest import ManifestError
from classifier.artifact.packing import publish
from classifier.training.errors import TrainingError, UnavailableWeightsError
from classifier.training.program import run_program

EXIT_WEIGHTS_UNAVAILABLE: Final = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Build; on failure print one line on standard error and return 1, or 3 without weights."""
    options = _parse(arguments)
    try:
        _build(options)
    except UnavailableWeightsError as error:
        print(f"build.py: {error}", file=sys.stderr)
        return EXIT_WEIGHTS_UNAVAILABLE
    except (TrainingError, ManifestError, ArtifactError, OSError) as error:
        print(f"build.py: {error}", file=sys.stderr)
        return 1
    return 0


def _build(options: argparse.Namespace) -> None:
    if options.trained and not options.calibration:
        publish(read_artifact(options.trained), options.output)
        return
    # Imported here: torch takes seconds to import, which --help should not.
    print("loading torch", flush=True)
    from classifier.training.building import Measurements, build_from_trained, build_from_weights

    measurements = Measurements(images=options.calibration, int8=options.quantize)
    if options.trained:
        build_from_trained(options.trained, measurements, options.output)
        return
    architectures = [options.architecture, *options.fallback]
    for architecture, following in zip_longest(architectures, options.fallback):
        try:
            build_from_weights(
                architecture=architecture,
                name=options.name or architecture,
                weights_file=options.weights_file,
                labels_file=options.labels,
                measurements=measurements,
                output=options.output,
            )
        except UnavailableWeightsError as error:
            if following is None:
                raise
            print(f"build.py: {error}\nbuild.py: trying {following}", file=sys.stderr, flush=True)
        else:
            return


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="build.py", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--architecture",
        help="a classifier of torchvision, such as resnet50, or efficientnet_lite0, whose\n"
        "weights come with the training environment",
    )
    parser.add_argument(
        "--fallback",
        action="append",
        default=[],
        metavar="ARCHITECTURE",
        help="architecture to build instead if the weights of --architecture are unavailable",
    )
    source.add_argument("--trained", type=Path, help="folder that train.py wrote (--model-dir)")
    parser.add_argument(
        "--weights-file", type=Path, help="state dict, instead of the published weights"
    )
    parser.add_argument("--labels", type=Path, help="text file, one label a line, in class order")
    parser.add_argument(
        "--quantize",
        action="store_true",
        help="add an int8 network: about 2 to 9 times as fast on CPUs with VNNI or AMX. Half of\n"
        "the images of --calibration, 300 at most, set its ranges; the others judge it. It\n"
        "is left out if its accuracy on 1,000 of them or more is over 0.5 points lower; with\n"
        "fewer, if it changes over 1 %% of those that fp32 classifies clearly, or if less than\n"
        "50 are held back",
    )
    parser.add_argument(
        "--calibration",
        type=Path,
        help="folder of images like those that will be classified, <label>/<image> or\n"
        "images alone (of a trained model: data/valid). Without --quantize it measures only\n"
        "what fast decoding changes",
    )
    parser.add_argument("--name", help="of the model, in each response (default: the architecture)")
    parser.add_argument(
        "--output", type=Path, default=Path("build/model"), help="folder (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    if options.trained and (
        options.weights_file or options.labels or options.name or options.fallback
    ):
        parser.error("--weights-file, --labels, --name and --fallback require --architecture")
    if options.weights_file and options.fallback:
        parser.error("--fallback cannot be combined with --weights-file")
    if options.quantize and not options.calibration:
        parser.error("--quantize needs images: name their folder with --calibration")
    return options


if __name__ == "__main__":
    run_program(main)
