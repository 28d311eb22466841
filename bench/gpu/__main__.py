"""`python -m bench.gpu`: the model server on an NVIDIA GPU, beside torch on the same card.

Needs a GPU with torch, torchvision, onnxscript and requirements-serving-gpu.txt in one environment;
at most eight minutes. `--parts` runs some of the parts, and keeps the others of the last run.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from bench.gpu.document import write_document
from bench.gpu.serving import measure_servers
from bench.programs import ROOT, BenchError, run_program
from bench.report import describe_machine, make_parser

MODELS: Final = ("resnet50", "mobilenet_v2")
PARTS: Final = ("models", "torch", "engine", "serving")
_IMAGE_SIZE: Final = "500x375"
_PRECISIONS: Final = ("fp32", "fp16")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write the document; return 1 after one line with the error."""
    options = _parse(arguments)
    file: Path = options.folder / "gpu.json"
    try:
        results = json.loads(file.read_text()) if file.is_file() else {}
        for part in options.parts:
            print(f"bench.gpu: {part}", flush=True)
            results |= _measure(part, options) | {"machine": describe_machine() | _describe_card()}
            # After each part: a later one may end with the time that there is.
            file.write_text(json.dumps(results, indent=1))
        write_document(results, options.output)
    except BenchError as error:
        print(f"bench.gpu: {error}", file=sys.stderr)
        return 1
    print(f"Written: {options.output}")
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = make_parser("gpu", __doc__)
    add = parser.add_argument
    add("--parts", nargs="*", choices=PARTS, default=list(PARTS), help="none: only the document")
    add("--models", nargs="+", default=list(MODELS), help="architectures of torchvision")
    add("--seconds", type=float, default=1.0, help="to measure each cell; of servers three times")
    add("--folder", type=Path, default=ROOT / "build" / "bench" / "gpu", help="networks, results")
    options = parser.parse_args(arguments)
    options.folder = options.folder.resolve()
    options.folder.mkdir(parents=True, exist_ok=True)
    return options


def _measure(part: str, options: argparse.Namespace) -> dict[str, Any]:
    folder, seconds = options.folder, str(options.seconds)
    if part == "models":
        photo = ("--photo", str(ROOT / "samples" / "cat.jpg"))
        _lines("bench.make_inputs", *photo, "--images", str(folder / "images"))
        return {"models": _lines("bench.gpu.models", str(folder), *options.models)}
    if part == "torch":
        return {"torch": _lines("bench.gpu.torch_graphs", str(folder), seconds, *options.models)}
    if part == "engine":
        return {
            "engine": [
                _lines(
                    "bench.gpu.engine", str(folder / model),
                    "--precision", precision, "--seconds", seconds,
                )[0]
                for model in options.models
                for precision in _PRECISIONS
            ]
        }  # fmt: skip
    cells = measure_servers(
        folder / options.models[0],
        (folder / "images" / f"{_IMAGE_SIZE}.jpg").read_bytes(),
        seconds=3 * options.seconds,
        scratch=folder / "scratch",
    )
    return {"serving": cells}


def _lines(module: str, *arguments: str) -> list[dict[str, Any]]:
    """Run a module in a process of its own, whose memory of the GPU ends with it."""
    command = [sys.executable, "-m", module, *arguments]
    output = run_program(*command)
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def _describe_card() -> dict[str, str]:
    query = ("--query-gpu=name,driver_version", "--format=csv,noheader")
    name, _, driver = run_program("nvidia-smi", *query).strip().partition(", ")
    return {"card": name, "driver": f"NVIDIA driver {driver}"}


if __name__ == "__main__":
    sys.exit(main())
