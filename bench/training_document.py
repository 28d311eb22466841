"""The document of the training benchmark: targets first, then every run."""

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.plot import Bar, Panel, draw
from bench.report import Target, heading, table, targets_table

_TITLE_BY_ARCHITECTURE: Final = {
    "efficientnet_lite0": "EfficientNet-Lite0",
    "resnet50": "ResNet-50 with random weights",
}
_TITLE_BY_SIDE: Final = {
    "usual": "usual script, 5 epochs",
    "first": "train.py --mode head",
    "second": "train.py --mode head, second trial",
}
_METHOD: Final = """\
Both sides do the same work: start, read the folder, split it by the same seed, train a new last \
layer on the same frozen network, measure the accuracy on the same validation and test images, and \
write the model. Neither makes a report or looks for wrong labels. The usual script \
(`bench/trainers/usual_script.py`) is PyTorch's tutorial on transfer learning: Pillow, a random \
view of each image in every epoch, every epoch through the whole network, Adam, eager mode, a \
process that decodes for each core. Its learning rate, 0.01, is the better for it of the two that \
were tried, 0.01 and 0.001; five epochs of few images are few steps at either, so compare the \
accuracy on some thousand images and several seeds. `train.py` reads each image once and fits \
the last layer on the features; its second trial finds them in the cache. The frozen network's \
ONNX file is there before the start. \
The sides run in turn. CPU time is that of all processes of a run; other work \
of the machine disturbs it less than the time on the clock.

Times are those of the run with the most images: of few, the start of the programs and the writing \
of the model are most of the time. Further seeds with fewer images are for the accuracy.

One epoch of the usual script is a run of five without the time of the other four. ResNet-50 has \
random weights, for timing alone."""


@dataclass(frozen=True)
class Trial:
    """One run of one side.

    Attributes:
        side: `usual`, or train.py's `first` or `second` trial.
        images: how many there were, of which three quarters are trained on.
        seconds: from the start of the process to its end.
        accuracy: on the test images.
        seconds_of_later_epochs: of all but the first.
    """

    side: str
    architecture: str
    images: int
    seed: int
    seconds: float
    cpu_seconds: float
    accuracy: float
    seconds_of_later_epochs: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Results:
    """What a run of the benchmark measured.

    Attributes:
        is_drawn: whether the images were drawn, because no folder was given.
    """

    machine: dict[str, str]
    is_drawn: bool
    trials: list[Trial]

    def architectures(self) -> list[str]:
        """Return the architectures in the order of their runs."""
        return list(dict.fromkeys(trial.architecture for trial in self.trials))

    def by_seed(self, architecture: str) -> list[dict[str, Trial]]:
        """Return the trials of each seed by their side; those of the most images first."""
        found: dict[tuple[int, int], dict[str, Trial]] = {}
        for trial in self.trials:
            if trial.architecture == architecture:
                found.setdefault((-trial.images, trial.seed), {})[trial.side] = trial
        return [sides for _, sides in sorted(found.items())]

    def timed(self, architecture: str) -> list[dict[str, Trial]]:
        """Return the trials of the most images, by seed: of few, the start is most of the time."""
        seeds = self.by_seed(architecture)
        most = max(sides["usual"].images for sides in seeds) if seeds else 0
        return [sides for sides in seeds if sides["usual"].images == most]


def write_document(results: Results, output: Path) -> None:
    """Write the Markdown document, and its plot beside it with the suffix .svg."""
    output.parent.mkdir(parents=True, exist_ok=True)
    plot = output.with_suffix(".svg")
    draw([_panel(results, architecture) for architecture in results.architectures()], plot)
    output.write_text(_render(results, plot.name), encoding="utf-8")


def targets(results: Results) -> list[Target]:
    """Return the figures with their bounds; those of architectures that did not run are left out.

    Ratios are medians over the seeds of runs of the same seed, with the most images.
    """
    lite0, resnet50 = map(results.timed, ("efficientnet_lite0", "resnet50"))
    found = []
    if lite0:
        name = "EfficientNet-Lite0: usual script's time / ours"
        once = statistics.median(_one_epoch(sides) / sides["first"].seconds for sides in lite0)
        differences = [
            sides["first"].accuracy - sides["usual"].accuracy
            for sides in results.by_seed("efficientnet_lite0")
        ]
        found = [
            _target(f"{name}, 5 epochs", _ratio(lite0, "first"), 18),
            _target(f"{name}, 1 epoch", once, 4),
            _target(f"{name}, 5 epochs, second trial", _ratio(lite0, "second"), 50),
            Target(
                name=f"accuracy minus the usual script's, mean of {len(differences)} splits",
                value=100 * statistics.mean(differences),
                # Sampling error of a few splits is larger than the difference.
                bound=0 if len(differences) >= 5 else None,
                is_minimum=True,
                unit="points",
                digits=1,
            ),
        ]
    if resnet50:
        name = "ResNet-50: usual script's time / ours, 5 epochs"
        found.append(_target(name, _ratio(resnet50, "first"), 10))
    return found


def _target(name: str, value: float, bound: float) -> Target:
    return Target(name=name, value=value, bound=bound, is_minimum=True, digits=1)


def _ratio(seeds: list[dict[str, Trial]], side: str) -> float:
    return statistics.median(sides["usual"].seconds / sides[side].seconds for sides in seeds)


def _one_epoch(sides: dict[str, Trial]) -> float:
    usual = sides["usual"]
    return usual.seconds - usual.seconds_of_later_epochs


def _render(results: Results, plot_name: str) -> str:
    kind = "Images drawn by the benchmark" if results.is_drawn else "Photos of the folder --data"
    rows = [
        [
            _TITLE_BY_ARCHITECTURE[trial.architecture],
            _TITLE_BY_SIDE[trial.side],
            str(trial.images),
            str(trial.seed),
            f"{trial.seconds:.1f}",
            f"{trial.cpu_seconds:.1f}",
            f"{trial.accuracy:.1%}",
        ]
        for trial in results.trials
    ]
    heads = ["network", "run", "images", "seed", "seconds", "CPU seconds", "accuracy"]
    return "\n".join(
        [
            heading("Training compared", "make bench-training", results.machine),
            f"{kind}; three quarters of them are trained on.\n",
            f"![Seconds]({plot_name})\n",
            targets_table(targets(results)),
            f"## Method\n\n{_METHOD}\n",
            f"## Runs\n\n{table(heads, rows)}",
        ]
    )


def _panel(results: Results, architecture: str) -> Panel:
    seeds = results.timed(architecture)
    bars = [
        Bar(title, "torch" if side == "usual" else "whippet",
            statistics.median(sides[side].seconds for sides in seeds))
        for side, title in _TITLE_BY_SIDE.items()
    ]  # fmt: skip
    once = statistics.median(map(_one_epoch, seeds))
    bars.insert(1, Bar("usual script, 1 epoch", "torch", once))
    count = seeds[0]["usual"].images
    title = f"{_TITLE_BY_ARCHITECTURE[architecture]}, {count} images: seconds"
    return Panel(title, bars)
