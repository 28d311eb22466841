"""Clients of a server in several processes: one has less to give than a GPU takes."""

import argparse
import json
import statistics
import subprocess
import sys
from http import HTTPStatus
from pathlib import Path
from typing import Final

from bench.load import drive
from bench.programs import ROOT, BenchError, log_end

CLIENTS_A_PROCESS: Final = 32


def measure(port: int, request: Path, *, client_count: int, seconds: float) -> dict[str, float]:
    """Return responses a second, their median time in ms, and the share of requests refused.

    Args:
        port: of a server on 127.0.0.1.
        request: a file that holds a whole HTTP request.
        client_count: requests in flight.
        seconds: to measure.

    Raises:
        BenchError: a process of clients failed.
    """
    process_count = -(-client_count // CLIENTS_A_PROCESS)
    clients, module = client_count // process_count, "bench.gpu.clients"
    command = [sys.executable, "-m", module, str(port), str(request), str(clients), str(seconds)]
    processes = [
        subprocess.Popen(  # noqa: S603 - the command is built here
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(process_count)
    ]
    ended = [process.communicate() for process in processes]
    for process, (_, errors) in zip(processes, ended, strict=True):
        if process.returncode:
            raise BenchError(f"clients: exit status {process.returncode}: {log_end(errors)}")
    parts = [json.loads(output) for output, _ in ended]
    other, total = (sum(part[key] for part in parts) for key in ("other", "total"))
    return {
        "responses_per_second": sum(part["throughput"] for part in parts),
        "p50_ms": statistics.median(part["p50_ms"] for part in parts),
        "refused_share": other / total if total else 1.0,
        "client_cpu_seconds": sum(part["cpu_seconds"] for part in parts),
    }


def main() -> None:
    """Be one process of clients: print its figures as JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench.gpu.clients", description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("request", type=Path)
    parser.add_argument("clients", type=int)
    parser.add_argument("seconds", type=float)
    options = parser.parse_args()
    window = drive(
        options.port,
        options.request.read_bytes(),
        client_count=options.clients,
        seconds=options.seconds,
        read_cpu=lambda: 0.0,
    )
    times = window.latencies_ms(HTTPStatus.OK)
    print(
        json.dumps(
            {
                "throughput": window.throughput,
                "p50_ms": statistics.median(times) if times else 0.0,
                "total": len(window.exchanges),
                "other": len(window.exchanges) - len(times),
                "cpu_seconds": window.client_cpu_seconds,
            }
        )
    )


if __name__ == "__main__":
    main()
