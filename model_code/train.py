"""Train a classifier on folders of labelled pictures and write it as an artifact.

The same on a laptop and as a SageMaker training job, whose environment gives the defaults.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from classifier.artifact import ArtifactError
from classifier.manifest import INTERPOLATIONS, ManifestError
from classifier.training.errors import TrainingError
from classifier.training.options import AUGMENTATIONS, SPLITS, TrainingOptions

PRESET_FOLDER: Final = Path(__file__).parent / "presets"
PRESETS: Final = tuple(sorted(path.stem for path in PRESET_FOLDER.glob("*.json")))


def main(arguments: Sequence[str] | None = None) -> int:
    """Train; return 1 with one line on standard error when that is impossible."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    # Waiting OpenMP threads sleep instead of spinning: on two cores shared with one other busy
    # process an epoch of the digits took 13 s instead of 45, and alone no longer.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        options = parse_options(given, os.environ)
        # Only now: torch takes seconds to import, and --help should not.
        from classifier.training.job import train

        train(options)
    except (TrainingError, ManifestError, ArtifactError, OSError) as error:
        # An error from a data worker arrives behind that process's traceback.
        reason = str(error).strip().splitlines()[-1].rpartition("DataError: ")[2]
        print(f"train.py: {reason}", file=sys.stderr)
        _report_failure(reason, os.environ)
        return 1
    return 0


def parse_options(arguments: Sequence[str], environment: Mapping[str, str]) -> TrainingOptions:
    """Read the options: flags first, then the job's hyperparameters, the preset, the defaults.

    Raises:
        SystemExit: an unknown flag or a value that is not allowed (argparse says which).
        TrainingError: a file of hyperparameters that cannot be used, a value out of bounds, or
            no pictures named.
    """
    parser = argparse.ArgumentParser(
        prog="train.py",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
        allow_abbrev=False,
    )
    _add_hyperparameters(parser)
    _add_folders(parser, environment)
    given = [*_job_flags(environment), *arguments]
    options = vars(parser.parse_args([*_preset_flags(parser, given), *given]))
    del options["preset"]
    data = options.pop("data")
    folders = {split: options.pop(split) or (data and data / split) for split in SPLITS}
    return TrainingOptions(folders=folders, **options)


def _add_hyperparameters(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--preset", choices=PRESETS, help="start with these settings; other flags change them")
    add("--architecture", default="resnet50", help="any classifier of torchvision by its name")
    add("--name", help="of the model, in each answer (default: the architecture)")
    add(
        "--from-scratch",
        type=_truth,
        nargs="?",
        const=True,
        default=False,
        help="start with random weights instead of torchvision's published ones",
    )
    add("--weights-file", type=Path, help="start with this state dict; its head is replaced")
    add("--epochs", type=int, default=10, help="default: %(default)s")
    add("--batch-size", type=int, default=32, help="pictures a step (default: %(default)s)")
    add("--learning-rate", type=float, default=1e-3, help="at its peak (default: %(default)s)")
    add("--weight-decay", type=float, default=0.05, help="default: %(default)s")
    add("--seed", type=int, default=0, help="default: %(default)s")
    add("--resize", type=int, help="shorter side in pixels (default: as the published weights)")
    add("--crop", type=int, help="input's side in pixels (default: as the published weights)")
    add("--interpolation", choices=INTERPOLATIONS, help="default: as the published weights")
    add(
        "--augmentation",
        choices=AUGMENTATIONS,
        default="photo",
        help="photo: crop and mirror; drawing: shift and turn a little (default: %(default)s)",
    )
    add(
        "--quantize",
        type=_truth,
        nargs="?",
        const=True,
        default=False,
        help="add an int8 network to the artifact. The valid pictures calibrate it and the test\n"
        "pictures judge it; without a test split, half of the valid ones each. It is left out\n"
        "if its answers are not those of fp32: see build.py --help",
    )


def _add_folders(parser: argparse.ArgumentParser, environment: Mapping[str, str]) -> None:
    add = parser.add_argument
    add("--data", type=Path, help="folder with train/, valid/ and, if there is one, test/")
    for split in SPLITS:
        channel = environment.get(f"SM_CHANNEL_{split.upper()}")
        add(f"--{split}", type=Path, default=channel, help=f"{split} pictures, <label>/<picture>")
    add(
        "--model-dir",
        type=Path,
        default=environment.get("SM_MODEL_DIR", "build/trained/model"),
        help="where the artifact goes (default: %(default)s)",
    )
    add(
        "--output-dir",
        type=Path,
        default=environment.get("SM_OUTPUT_DATA_DIR", "build/trained/output"),
        help="where the state dict weights.pt goes (default: %(default)s)",
    )
    add(
        "--data-workers",
        type=int,
        default=environment.get("SM_NUM_CPUS", "0"),
        help="processes that decode pictures; 0 does it in between (default: %(default)s)",
    )


def _preset_flags(parser: argparse.ArgumentParser, given: Sequence[str]) -> list[str]:
    preset = parser.parse_args(given).preset
    return _flags_of(PRESET_FOLDER / f"{preset}.json") if preset else []


def _job_flags(environment: Mapping[str, str]) -> list[str]:
    """Return the training job's hyperparameters as flags; none outside of a job."""
    folder = Path(environment.get("SM_INPUT_CONFIG_DIR", "/opt/ml/input/config"))
    path = folder / "hyperparameters.json"
    return _flags_of(path) if path.exists() else []


def _flags_of(path: Path) -> list[str]:
    """Read hyperparameters as SageMaker writes them: an object, every value a text.

    SageMaker's own names begin with `sagemaker_`, and its SDK quotes texts once more.
    """
    try:
        hyperparameters = dict(json.loads(path.read_text(encoding="utf-8")))
    except (TypeError, ValueError) as error:
        raise TrainingError(f"{path} holds no JSON object of hyperparameters") from error
    return [
        # In one piece, so that a value may begin with a minus sign.
        "--" + name.replace("_", "-") + "=" + str(value).strip('"')
        for name, value in hyperparameters.items()
        if not name.startswith("sagemaker_")
    ]


def _report_failure(reason: str, environment: Mapping[str, str]) -> None:
    """Write what DescribeTrainingJob then shows as FailureReason; nothing outside of a job."""
    if folder := environment.get("SM_OUTPUT_DIR"):
        Path(folder, "failure").write_text(reason, encoding="utf-8")


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return text.lower() == "true"


if __name__ == "__main__":
    sys.exit(main())
