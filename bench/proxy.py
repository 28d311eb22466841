"""`make bench-proxy`: the proxy's cold start beside two peers, and its warm overhead."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from bench.programs import ROOT
from bench.report import Target, heading, make_parser, table, targets_table
from bench.results import percentile
from tests.lambda_src.stand_in import SageMakerRuntime
from tools.bundles.proxy import SOURCES, collect_files, write_bundle
from tools.console import run_tool

_OURS: Final = "classifier_proxy.handler"
_MINIMAL: Final = "bench.proxy_handlers.minimal"
_POWERTOOLS: Final = "bench.proxy_handlers.powertools"
_TITLES: Final = {
    _OURS: "Whippet's proxy",
    _MINIMAL: "boto3 alone",
    _POWERTOOLS: "Powertools, validation",
}
_TRACE_ID: Final = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"

# What one process printed, see proxy_process.py.
_Figures = Mapping[str, Any]


def main() -> None:
    """Measure and write the document."""
    parser = make_parser("proxy", __doc__)
    parser.add_argument("--rounds", type=int, default=15, help="cold starts of each handler")
    parser.add_argument("--warm-invocations", type=int, default=1000, help="of the proxy")
    options = parser.parse_args()
    runtime = SageMakerRuntime()
    try:
        with tempfile.TemporaryDirectory(prefix="whippet-bench-") as folder:
            bundle = Path(folder, "bundle")
            write_bundle(collect_files(SOURCES), bundle, Path(sys.executable))
            environment = _environment(bundle, Path(folder, "byte-code"), runtime.url)
            # The first round compiles byte code of what is not in the bundle, and does not count.
            rounds = [
                {module: _measure(module, environment) for module in _TITLES}
                for _ in range(options.rounds + 1)
            ][1:]
            warm = _measure(_OURS, environment, options.warm_invocations)
    finally:
        runtime.close()
    options.output.write_text(_document(rounds, warm))
    print(f"Written: {options.output}")


def _environment(bundle: Path, byte_code: Path, runtime_url: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join([str(bundle), str(ROOT)]),
        "PYTHONPYCACHEPREFIX": str(byte_code),
        "AWS_ACCESS_KEY_ID": "AKIAMADEUP",
        "AWS_SECRET_ACCESS_KEY": "made-up",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": runtime_url,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:9",
        "_X_AMZN_TRACE_ID": _TRACE_ID,
        "ENDPOINT_NAME": "whippet-bench",
        "ENDPOINT_READ_TIMEOUT_SECONDS": "4",
        "PAUSED_PARAMETER": "/whippet/bench/paused",
        "LOG_LEVEL": "INFO",
        "POWERTOOLS_SERVICE_NAME": "bench",
        "POWERTOOLS_METRICS_NAMESPACE": "Whippet",
        "METRICS": "full",
    }


def _measure(module: str, environment: Mapping[str, str], warm_invocations: int = 0) -> _Figures:
    printed = subprocess.check_output(  # noqa: S603 - this project's own program
        [sys.executable, "-m", "bench.proxy_process", module, str(warm_invocations)],
        cwd=ROOT,
        env=dict(environment),
        text=True,
    )
    figures: _Figures = json.loads(printed.splitlines()[-1])
    return figures


def _document(rounds: list[dict[str, _Figures]], warm: _Figures) -> str:
    def ratio(module: str) -> float:
        # Of the same round, so that other work of the machine slows both alike.
        times = ((each[_OURS]["start_cpu_ms"], each[module]["start_cpu_ms"]) for each in rounds)
        return statistics.median(float(ours / others) for ours, others in times)

    def median(module: str, figure: str) -> str:
        return f"{statistics.median(each[module][figure] for each in rounds):.0f} ms"

    handler_ms, bare_ms = warm["handler_ms"], warm["bare_ms"]
    proxy, bare = ({q: percentile(ms, q) for q in (0.5, 0.99)} for ms in (handler_ms, bare_ms))
    start = "import and init / that of"
    targets = [
        Target(name=f"{start} boto3 alone", value=ratio(_MINIMAL), bound=1.4),
        Target(name=f"{start} Powertools with validation", value=ratio(_POWERTOOLS), bound=0.65),
        Target(name="warm overhead, p50", value=proxy[0.5] - bare[0.5], bound=3, unit="ms"),
        Target(name="warm overhead, p99", value=proxy[0.99] - bare[0.99], bound=15, unit="ms"),
    ]
    starts = [
        [title, *(median(module, figure) for figure in ("start_ms", "start_cpu_ms", "first_ms"))]
        for module, title in _TITLES.items()
    ]
    latencies = [
        [title, *(f"{value:.2f} ms" for value in by_share.values())]
        for title, by_share in (("the proxy", proxy), ("InvokeEndpoint alone", bare))
    ]
    packages = ("boto3", "aws-lambda-powertools", "pydantic")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return f"""\
{heading("Speed of the proxy", "make bench-proxy")}
{versions}. The processors of Lambda are others: compare the ratios.

{targets_table(targets)}
## Cold start

Each handler in {len(rounds)} new processes, in turn, all with byte code; medians. The ratios above
are medians over the rounds of CPU time, which other work of the machine disturbs least.

{table(["handler", "import and init", "its CPU time", "first invocation"], starts)}
The handlers of the two peers are in `bench/proxy_handlers/`. The proxy traces; they do not.

## Warm

{len(handler_ms)} invocations with an image of 100 KB against a stand-in for SageMaker on
the loopback interface, in turn with a call of `invoke_endpoint` with the same bytes in the same
process.

{table(["", "p50", "p99"], latencies)}"""


if __name__ == "__main__":
    run_tool(main)
