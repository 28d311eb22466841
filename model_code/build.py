"""Build the artifact that is deployed, without training.

The input is published weights, a state dict in a file, a network in ONNX, or the output of
train.py. Writes model.tar.gz, its sha256 and manifest.json. Exits with 3 if published weights
cannot be downloaded.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Final

from classifier.artifact.directory import ArtifactError, read_artifact
from classifier.artifact.manifest_errors import ManifestError
from classifier.training.errors import TrainingError, UnavailableWeightsError
from classifier.training.preprocessing_flags import (
    PreprocessingFlags,
    add_preprocessing_flags,
    read_preprocessing_flags,
)
from classifier.training.program import reason_of, run_program

if TYPE_CHECKING:
    from classifier.training.publishing import Measurements

EXIT_WEIGHTS_UNAVAILABLE: Final = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Build; on failure print one line on standard error and return 1, or 3 without weights."""
    options = _parse(arguments)
    try:
        _build(options)
    except UnavailableWeightsError as error:
        print(f"build.py: {reason_of(error)}", file=sys.stderr)
        return EXIT_WEIGHTS_UNAVAILABLE
    except (TrainingError, ManifestError, ArtifactError, OSError) as error:
        print(f"build.py: {reason_of(error)}", file=sys.stderr)
        return 1
    return 0


def _build(options: argparse.Namespace) -> None:
    # Imported here, as what follows: packages that take seconds to import, which --help should not.
    from classifier.training.publishing import Measurements, check_and_publish

    measurements = Measurements(
        images=options.calibration,
        int8=options.quantize,
        fp16=options.half_precision,
        bf16=options.bf16,
    )
    flags = read_preprocessing_flags(options)
    if options.trained and not options.calibration:
        check_and_publish(read_artifact(options.trained), options.output)
    elif options.onnx:
        from classifier.training.onnx_import.building import build_from_onnx

        build_from_onnx(
            path=options.onnx,
            name=options.name,
            preprocessing_flags=flags,
            labels_file=options.labels,
            measurements=measurements,
            output=options.output,
        )
    elif options.trained:
        print("loading torch", flush=True)
        from classifier.training.building import build_from_trained

        build_from_trained(options.trained, measurements, options.output)
    else:
        _build_from_weights(options, flags, measurements)


def _build_from_weights(
    options: argparse.Namespace, flags: PreprocessingFlags, measurements: Measurements
) -> None:
    """Build the first of the architectures whose weights are available."""
    print("loading torch", flush=True)
    from classifier.training.building import build_from_weights

    architectures = [options.architecture, *options.fallback]
    for architecture, following in zip_longest(architectures, options.fallback):
        try:
            build_from_weights(
                architecture=architecture,
                name=options.name,
                weights_file=options.weights_file,
                preprocessing_flags=flags,
                head_layers=options.head,
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
        help="a classifier of torchvision, such as resnet50; efficientnet_lite0, whose weights\n"
        "come with the training environment; or one of timm, timm/<name>, with --weights-file",
    )
    parser.add_argument(
        "--fallback",
        action="append",
        default=[],
        metavar="ARCHITECTURE",
        help="architecture to build instead if the weights of --architecture are unavailable",
    )
    source.add_argument(
        "--onnx",
        type=Path,
        metavar="FILE",
        help="a classifier in ONNX that takes images (N x 3 x H x W or N x H x W x 3, floats or\n"
        "bytes) and returns a score a class; needs --labels and its preprocessing",
    )
    source.add_argument("--trained", type=Path, help="folder that train.py wrote (--model-dir)")
    parser.add_argument(
        "--weights-file",
        type=Path,
        metavar="FILE",
        help="state dict or checkpoint (torch.save, safetensors), not the published weights",
    )
    parser.add_argument(
        "--head",
        type=lambda text: [layer.strip() for layer in text.split(",")],
        default=[],
        metavar="LAYER,LAYER",
        help="layers of a head that replaces the architecture's, where they do not follow from\n"
        "the weights' names and shapes, such as Linear,GELU,Dropout,Linear",
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
        "--half-precision",
        action="store_true",
        help="add an fp16 network for GPUs, which compute it several times as fast. The images of\n"
        "--calibration judge it, without those that set the ranges of int8, by the same rules",
    )
    parser.add_argument(
        "--bf16",
        action="store_true",
        help="check whether the fp32 network may be served in bf16, which some CPUs compute about\n"
        "twice as fast. The images of --calibration judge it as fp16, on any machine; the\n"
        "archive has no other file with it",
    )
    parser.add_argument(
        "--calibration",
        type=Path,
        help="folder of images like those that will be classified, <label>/<image> or\n"
        "images alone (of a trained model: data/valid). Without --quantize,\n"
        "--half-precision and --bf16 it measures only what fast decoding changes",
    )
    parser.add_argument("--name", help="of the model, in each response (default: the architecture)")
    add_preprocessing_flags(parser)
    parser.add_argument(
        "--output", type=Path, default=Path("build/model"), help="folder (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    for flag, (value, sources) in _flags_of_sources(options).items():
        if value not in (None, []) and not any(getattr(options, each) for each in sources):
            needed = " or ".join(f"--{each.replace('_', '-')}" for each in sources)
            parser.error(f"{flag} requires {needed}")
    if options.weights_file and options.fallback:
        parser.error("--fallback cannot be combined with --weights-file")
    for flag in ("--quantize", "--half-precision", "--bf16"):
        if getattr(options, flag[2:].replace("-", "_")) and not options.calibration:
            parser.error(f"{flag} needs images: name their folder with --calibration")
    return options


def _flags_of_sources(options: argparse.Namespace) -> dict[str, tuple[object, tuple[str, ...]]]:
    """Return the value of each flag that goes with some sources alone, and those sources."""
    flags = {
        "--weights-file": (options.weights_file, ("architecture",)),
        "--fallback": (options.fallback, ("architecture",)),
        "--labels": (options.labels, ("architecture", "onnx")),
        "--name": (options.name, ("architecture", "onnx")),
        "--head": (options.head, ("weights_file",)),
    }
    for name in ("resize", "crop", "interpolation", "mean", "std"):
        flags[f"--{name}"] = (getattr(options, name), ("weights_file", "onnx"))
    return flags


if __name__ == "__main__":
    run_program(main)
