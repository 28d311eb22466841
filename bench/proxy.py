"""`make bench-proxy`: the proxy's cold start beside two peers, and its warm overhead."""

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from tests.lambda_src.stand_in import SageMakerRuntime
from tools.bundles.proxy import SOURCES, collect_files, write_bundle
from tools.cdk import ROOT
from tools.console import run_tool

DOCUMENT = ROOT / "docs" / "benchmarks" / "proxy.md"
OURS, MINIMAL, POWERTOOLS = (
    "classifier_proxy.handler",
    "bench.proxy_handlers.minimal",
    "bench.proxy_handlers.powertools",
)
NAMES = {OURS: "Whippet's proxy", MINIMAL: "boto3 alone", POWERTOOLS: "Powertools, validation"}


class Bar(NamedTuple):
    """Something to be met."""

    what: str
    value: float
    limit: float
    unit: str


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(prog="python -m bench.proxy", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="default: %(default)s")
    parser.add_argument("--warm-calls", type=int, default=1000, help="default: %(default)s")
    given = parser.parse_args()
    runtime = SageMakerRuntime()
    try:
        with tempfile.TemporaryDirectory(prefix="whippet-bench-") as folder:
            bundle = Path(folder, "bundle")
            write_bundle(collect_files(SOURCES), bundle, Path(sys.executable))
            environment = _environment(bundle, Path(folder, "byte-code"), runtime.url)
            rounds = [_round(environment) for _ in range(given.rounds + 1)][1:]
            warm = _measure(OURS, environment, given.warm_calls)
    finally:
        runtime.close()
    DOCUMENT.write_text(_page(rounds, warm))
    print(f"Wrote {DOCUMENT}")


def _environment(bundle: Path, byte_code: Path, runtime_url: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join([str(bundle), str(ROOT)]),
        # What is not the bundle's own is compiled in the first round, which is not counted.
        "PYTHONPYCACHEPREFIX": str(byte_code),
        "AWS_ACCESS_KEY_ID": "AKIAMADEUP",
        "AWS_SECRET_ACCESS_KEY": "made-up",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": runtime_url,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:9",
        "_X_AMZN_TRACE_ID": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;"
        "Sampled=1",
        "ENDPOINT_NAME": "whippet-bench",
        "LOG_LEVEL": "INFO",
        "POWERTOOLS_SERVICE_NAME": "bench",
        "POWERTOOLS_METRICS_NAMESPACE": "Whippet",
    }


def _round(environment: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    return {module: _measure(module, environment, 0) for module in NAMES}


def _measure(module: str, environment: Mapping[str, str], warm_calls: int) -> dict[str, Any]:
    ended = subprocess.run(  # noqa: S603 - this project's own program
        [sys.executable, "-m", "bench.proxy_process", module, str(warm_calls)],
        cwd=ROOT,
        env=dict(environment),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    figures: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return figures


def _page(rounds: list[dict[str, dict[str, Any]]], warm: dict[str, Any]) -> str:
    def median(module: str, figure: str) -> float:
        return statistics.median(float(each[module][figure]) for each in rounds)

    def ratio(module: str) -> float:
        # Of the same round, so that what else the machine did meets both alike.
        return statistics.median(
            float(each[OURS]["start_cpu_ms"] / each[module]["start_cpu_ms"]) for each in rounds
        )

    handler, bare = (statistics.quantiles(warm[key], n=100) for key in ("handler_ms", "bare_ms"))
    bars = [
        Bar("import and init, of boto3 alone", ratio(MINIMAL), 1.4, "times"),
        Bar("import and init, of Powertools with validation", ratio(POWERTOOLS), 0.65, "times"),
        Bar("warm overhead, p50", handler[49] - bare[49], 3, "ms"),
        Bar("warm overhead, p99", handler[98] - bare[98], 15, "ms"),
    ]
    starts = "\n".join(
        f"| {name} | {median(module, 'start_ms'):.0f} ms | {median(module, 'start_cpu_ms'):.0f} ms"
        f" | {median(module, 'first_call_ms'):.0f} ms |"
        for module, name in NAMES.items()
    )
    met = "\n".join(
        f"| {bar.what} | {bar.value:.2f} {bar.unit} | at most {bar.limit:g} {bar.unit} |"
        f" {'met' if bar.value <= bar.limit else 'missed'} |"
        for bar in bars
    )
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}"
        for name in ("boto3", "aws-lambda-powertools", "pydantic")
    )
    return f"""\
# The proxy's speed

Made by `make bench-proxy` on {datetime.now(UTC).date()}; {_processor()}, {os.cpu_count()} cores,
Python {platform.python_version()}, {versions}.
Lambda's processors are others: go by the ratios.

| | measured | bar | |
|---|---|---|---|
{met}

## Cold start

Each in {len(rounds)} fresh processes, in turn, all with byte code; medians. The ratios
above are the median over the rounds of processor time, which other work disturbs least.

| handler | import and init | of it processor time | first call |
|---|---|---|---|
{starts}

The handlers of the two peers are in `bench/proxy_handlers/`. Neither traces; the proxy does.

## Warm

{len(warm["handler_ms"])} calls of a 100 KB picture against a stand-in for SageMaker on the loopback
interface, in turn with a bare `invoke_endpoint` of the same bytes by the same process.

| | p50 | p99 |
|---|---|---|
| the proxy | {handler[49]:.2f} ms | {handler[98]:.2f} ms |
| bare InvokeEndpoint | {bare[49]:.2f} ms | {bare[98]:.2f} ms |
"""


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    run_tool(main)
