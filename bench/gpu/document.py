"""docs/benchmarks/gpu.md, from what a run measured."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from bench.programs import BenchError
from bench.report import Target, heading, table, targets_table

_COMMAND: Final = "python -m bench.gpu"
_PARTS: Final = ("machine", "torch", "engine", "serving")
_BATCHES: Final = ("1", "4", "16", "64")


def write_document(results: Mapping[str, Any], path: Path) -> None:
    """Write the document.

    Raises:
        BenchError: a part was never measured.
    """
    if missing := [part for part in _PARTS if part not in results]:
        names = ", ".join(missing)
        raise BenchError(f"not measured yet: {names}; run `{_COMMAND}` without --parts")
    path.write_text("\n".join(_sections(results)))


def _sections(results: Mapping[str, Any]) -> list[str]:
    return [
        heading("The model server on a GPU", _COMMAND, results["machine"]),
        _HOW.format(**_versions(results)),
        "## Targets\n",
        targets_table(_targets(results)),
        "## Images a second\n",
        _BATCHES_TEXT,
        table(["model", "what computes", *(f"batch {size}" for size in _BATCHES)], _rates(results)),
        "## Images a second through the engine, by clients\n",
        _CLIENTS_TEXT,
        _clients(results),
        "## Start, memory, agreement\n",
        _AGREEMENT_TEXT,
        table(_START_HEADS, _starts(results)),
        "## End to end\n",
        _SERVING_TEXT,
        table(
            ["server", "clients", "responses/s", "p50, ms", "refused"],
            _serving(results),
        ),
    ]


_HOW: Final = """
ONNX Runtime {onnxruntime}; random but seeded weights, the same in torch. Bytes are in the network's
input, batches have four sizes, each recorded as a CUDA graph; fp16 computes with the channels last.
torch computes in bf16 with the channels last, recorded as CUDA graphs, with cuDNN's algorithms
measured: *resident* is of inputs that are in the card's memory already, *from bytes* starts and
ends in the host's memory, as the engine does.
"""
_BATCHES_TEXT: Final = """
One batch after another, without HTTP, decoding and waiting for others.
"""
_CLIENTS_TEXT: Final = """
Each client waits for its image's logits before it hands in the next; at most 64 images a batch.
"""
_AGREEMENT_TEXT: Final = """
Logits are compared with those of torch in fp32, on a CPU.
"""
_START_HEADS: Final = (
    "model",
    "precision",
    "load, s",
    "warm-up, s",
    "GPU memory, MiB",
    "largest difference",
    "of the largest logit",
    "same first class",
)
_SERVING_TEXT: Final = """
ResNet-50, a photo of 500 x 375 pixels as JPEG, clients in other processes of the same machine. The
server of one process decodes with nvJPEG, resizes on the GPU and computes in bf16 with CUDA graphs,
all in the process that holds the GPU. Whippet decodes on the CPU, in processes that hold nothing.
"""


def _versions(results: Mapping[str, Any]) -> dict[str, str]:
    return {"onnxruntime": results["engine"][0]["onnxruntime"]}


def _targets(results: Mapping[str, Any]) -> list[Target]:
    resnet = {each["precision"]: each for each in results["engine"] if each["model"] == "resnet50"}
    torch = _torch(results, "resnet50", "64")
    fp16 = max(resnet["fp16"]["clients"].values())
    ours = _best(results, "Whippet")
    peer = _best(results, "nvJPEG")
    return [
        Target(
            name="ResNet-50: engine at batches of 64 in fp16 / torch bf16, resident",
            value=fp16 / torch["resident"],
            bound=0.6,
            is_minimum=True,
        ),
        Target(
            name="the same / torch bf16, from bytes", value=fp16 / torch["from_bytes"], bound=None
        ),
        Target(
            name="ResNet-50: largest difference of an fp32 logit to torch",
            value=resnet["fp32"]["logits"]["largest_difference"],
            bound=1e-3,
            digits=6,
        ),
        *(
            Target(
                name=f"ResNet-50: load and warm-up in {precision}",
                value=each["load_seconds"] + each["warm_up_seconds"],
                bound=3.0,
                unit="s",
            )
            for precision, each in resnet.items()
        ),
        Target(
            name="end to end: best of ours / the server of one process",
            value=ours / peer if ours and peer else None,
            bound=1.3,
            is_minimum=True,
        ),
    ]


def _torch(results: Mapping[str, Any], model: str, batch: str) -> dict[str, float]:
    return next(
        each for each in results["torch"] if (each["model"], str(each["batch"])) == (model, batch)
    )


def _best(results: Mapping[str, Any], name: str) -> float | None:
    rates = [
        cell["responses_per_second"]
        for cell in results["serving"]
        if cell["server"].startswith(name) and "error" not in cell
    ]
    return max(rates, default=None)


def _rates(results: Mapping[str, Any]) -> list[list[str]]:
    rows = []
    for model in dict.fromkeys(each["model"] for each in results["engine"]):
        for kind, title in (("resident", "resident"), ("from_bytes", "from bytes")):
            rates = [_torch(results, model, size)[kind] for size in _BATCHES]
            rows.append([model, f"torch bf16, {title}", *(f"{rate:,.0f}" for rate in rates)])
        for each in results["engine"]:
            if each["model"] == model:
                rates = [each["batches"][size] for size in _BATCHES]
                title = f"ONNX Runtime {each['precision']}"
                rows.append([model, title, *(f"{rate:,.0f}" for rate in rates)])
    return rows


def _clients(results: Mapping[str, Any]) -> str:
    counts = list(results["engine"][0]["clients"])
    return table(
        ["model", "precision", *(f"{count} clients" for count in counts)],
        [
            [each["model"], each["precision"], *(f"{each['clients'][c]:,.0f}" for c in counts)]
            for each in results["engine"]
        ],
    )


def _starts(results: Mapping[str, Any]) -> list[list[str]]:
    return [
        [
            each["model"],
            each["precision"],
            f"{each['load_seconds']:.2f}",
            f"{each['warm_up_seconds']:.2f}",
            str(each["gpu_mebibytes"]),
            f"{each['logits']['largest_difference']:.1e}",
            f"{each['logits']['relative']:.1e}",
            f"{each['logits']['same_class']:.3f}",
        ]
        for each in results["engine"]
    ]


def _serving(results: Mapping[str, Any]) -> list[list[str]]:
    rows = []
    for cell in results["serving"]:
        if "error" in cell:
            rows.append([cell["server"], "", "not measured", "", ""])
            continue
        rows.append(
            [
                cell["server"],
                str(cell["clients"]),
                f"{cell['responses_per_second']:,.0f}",
                f"{cell['p50_ms']:.0f}",
                f"{cell['refused_share'] * 100:.0f} %",
            ]
        )
    return rows
