"""The command line of train.py: flags, presets, and the environment of a training job."""

from __future__ import annotations

import argparse
import difflib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from classifier.artifact.manifest import INTERPOLATIONS
from classifier.artifact.samples import MAX_SAMPLES
from classifier.training.errors import OptionError, TrainingError
from classifier.training.job.environment import CHECKPOINTS, checkpoint_folder, metrics_file
from classifier.training.options import (
    AUGMENTATIONS,
    DEFAULT_ARCHITECTURE_BY_MODE,
    MODES,
    PRECISIONS,
    SPLITS,
    TrainingOptions,
)

PRESET_FOLDER: Final = Path(__file__).parents[2] / "presets"
PRESETS: Final = tuple(sorted(path.stem for path in PRESET_FOLDER.glob("*.json")))


def parse_options(
    arguments: Sequence[str], environment: Mapping[str, str], description: str | None
) -> TrainingOptions:
    """Read the options: flags first, then the preset, the job's environment, the defaults.

    In a training job the flags are its hyperparameters: AWS's toolkit passes `{"batch_size": 4}`
    on as `--batch_size 4`. A name may have `_` for each `-`.

    Args:
        arguments: the flags.
        environment: a training job's folders are in its `SM_*` variables.
        description: for --help.

    Raises:
        OptionError: an unknown flag, or a value that is not allowed.
        TrainingError: a preset that cannot be used, a value out of bounds, or no images named.
    """
    parser = _Parser(
        prog="train.py",
        description=description,
        formatter_class=argparse.RawTextHelpFormatter,
        allow_abbrev=False,
    )
    _add_hyperparameters(parser)
    _add_samples(parser)
    _add_folders(parser, environment)
    given = [_with_hyphens(argument) for argument in arguments]
    options = vars(parser.parse_args([*_preset_flags(parser, given), *given]))
    del options["preset"]
    data = options["data"]
    options["architecture"] = (
        options["architecture"] or DEFAULT_ARCHITECTURE_BY_MODE[options["mode"]]
    )
    options["checkpoint_dir"] = options["checkpoint_dir"] or options["output_dir"]
    options["metrics_file"] = metrics_file(environment, options["checkpoint_dir"])
    folders = {split: options.pop(split) or (data and data / split) for split in SPLITS}
    return TrainingOptions(folders=folders, **options)


class _Parser(argparse.ArgumentParser):
    """Raises errors instead of ending the process, so that a job can say why it failed."""

    def error(self, message: str) -> NoReturn:
        raise OptionError(message)

    def parse_args(self, *arguments: Any, **named: Any) -> Any:  # as argparse declares it
        options, unknown = self.parse_known_args(*arguments, **named)
        if unknown:
            self.error(self._describe(unknown))
        return options

    def _describe(self, unknown: Sequence[str]) -> str:
        known = [flag for flag in self._option_string_actions if flag.startswith("--")]
        flags = [text.partition("=")[0] for text in unknown if text.startswith("-")]
        if not flags:
            return f"unexpected argument {unknown[0]!r}: expected --name value, without spaces"
        nearest = difflib.get_close_matches(flags[0], known, n=1)
        hint = f"did you mean {nearest[0]}?" if nearest else f"expected one of {', '.join(known)}"
        return f"unknown option {flags[0]}: {hint}"


def _add_hyperparameters(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--preset", choices=PRESETS, help="start with these settings; other flags change them")
    add(
        "--mode",
        choices=MODES,
        default="finetune",
        help="finetune: train every weight, after the last layer; head: train the last\n"
        "layer alone, on features that are computed once, in a minute instead of an hour\n"
        "(default: %(default)s)",
    )
    add(
        "--architecture",
        help="a classifier of torchvision, or efficientnet_lite0 (default: resnet50; for a head\n"
        "efficientnet_lite0)",
    )
    add(
        "--balanced",
        type=_truth,
        nargs="?",
        const=True,
        default=False,
        help="of a head: each class counts the same, instead of each image",
    )
    add(
        "--precision",
        choices=PRECISIONS,
        default="fp32",
        help="of a head's features: bf16 takes less time where the processor has it, else they\n"
        "are computed in fp32; the head and what is served stay fp32 (default: %(default)s)",
    )
    add(
        "--report",
        type=_truth,
        nargs="?",
        const=True,
        default=True,
        help="write report.html and, of a head, look for labels that are probably wrong\n"
        "(default: true)",
    )
    add("--name", help="of the model, in each response (default: the architecture)")
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
    add("--batch-size", type=int, default=32, help="images a step (default: %(default)s)")
    add("--learning-rate", type=float, default=1e-3, help="at its peak (default: %(default)s)")
    add(
        "--backbone-learning-rate",
        type=float,
        help="of all layers but the last, at its peak (default: a tenth of --learning-rate; from\n"
        "random weights the same)",
    )
    add(
        "--patience",
        type=int,
        help="end after so many epochs without a better one on the valid images, and take the\n"
        "best; 0 trains all epochs (default: 3; from random weights all, and the last is taken)",
    )
    add(
        "--restart",
        type=_truth,
        nargs="?",
        const=True,
        default=False,
        help="begin again, instead of going on where an interrupted run was",
    )
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
        help="add an int8 network to the artifact. The valid images calibrate it and the test\n"
        "images judge it; without a test split, half of the valid ones each. It is left out\n"
        "if its predictions differ from those of fp32: see build.py --help",
    )


def _add_samples(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--samples",
        type=int,
        default=6,
        help="test images to put into the artifact, for people to try the model with; at most 512\n"
        f"pixels a side, without metadata; 0 to {MAX_SAMPLES} (default: %(default)s)",
    )


def _add_folders(parser: argparse.ArgumentParser, environment: Mapping[str, str]) -> None:
    add = parser.add_argument
    add(
        "--data",
        type=Path,
        help="folder of <label>/<image>, or of train/, valid/ and test/ with these in it; or a\n"
        "zip of either. What is missing of valid/ and test/ is drawn from the training images",
    )
    for split in SPLITS:
        channel = environment.get(f"SM_CHANNEL_{split.upper()}")
        add(f"--{split}", type=Path, default=channel, help=f"{split} images, <label>/<image>")
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
        help="where report.html, dataset.jsonl and the state dict weights.pt go\n"
        "(default: %(default)s)",
    )
    add(
        "--cache-dir",
        type=Path,
        default="build",
        help="where zips are unpacked and, of a head, backbones/ and features/ are kept\n"
        "(default: %(default)s)",
    )
    add(
        "--checkpoint-dir",
        type=Path,
        default=checkpoint_folder(environment),
        help="where the state of an unfinished run goes (default: a training job's own folder in\n"
        f"$SM_CHECKPOINT_DIR, or in {CHECKPOINTS} where that exists; else --output-dir)",
    )
    add(
        "--data-workers",
        type=int,
        default=environment.get("SM_NUM_CPUS"),
        help="the most processes that decode images; 0 does it in between (default: a training\n"
        "job's number of CPUs; elsewhere one a core beside a GPU, and 0 without one)",
    )


def _preset_flags(parser: argparse.ArgumentParser, given: Sequence[str]) -> list[str]:
    preset = parser.parse_args(given).preset
    return _flags_of(PRESET_FOLDER / f"{preset}.json") if preset else []


def _flags_of(path: Path) -> list[str]:
    """Read a preset: an object of values by the names of their flags."""
    try:
        values = dict(json.loads(path.read_text(encoding="utf-8-sig")))
    except (TypeError, ValueError) as error:
        raise TrainingError(f"{path} holds no JSON object of options") from error
    # In one piece, so that a value may begin with a minus sign.
    return [f"--{name.replace('_', '-')}={value}" for name, value in values.items()]


def _with_hyphens(argument: str) -> str:
    """Return `--batch-size=a_b` for `--batch_size=a_b`, and anything but a flag as it is."""
    if not argument.startswith("--"):
        return argument
    name, separator, value = argument.partition("=")
    return name.replace("_", "-") + separator + value


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return text.lower() == "true"
