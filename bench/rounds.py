"""A run: the servers of a model started, then driven in turn in every cell of every round."""

import functools
import itertools
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import environments, inputs
from bench.machine import describe_machine
from bench.programs import ROOT, BenchError, run_program
from bench.results import CellSample, EngineSample, Failure, Results, StartSample
from bench.running import Predictions, RunningServer, start
from bench.server import Server
from bench.servers import CORES, OUR_PROGRAMS, OURS
from bench.targets import BUSY_CLIENTS

# The targets are about these, so that they get the whole time, and the others half of it.
_FULL_TIME_CLIENTS: Final = (1, BUSY_CLIENTS)
_MAX_PROBABILITY_DIFFERENCE: Final = 0.02
_ENGINE_SCRIPT: Final = ROOT / "bench" / "engine_limit.py"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to run.

    Attributes:
        servers: ours in fp32 first.
        image_sizes: `<width>x<height>` in pixels.
        seconds: to measure each cell.
        cache: folder for environments, inputs and logs.
    """

    servers: Sequence[Server]
    models: Sequence[str]
    image_sizes: Sequence[str]
    client_counts: Sequence[int]
    rounds: int
    seconds: float
    cache: Path


def run(plan: Plan) -> Results:
    """Return what was measured; a peer that could not be measured is a failure in it.

    Raises:
        BenchError: our own server could not be measured.
    """
    results = Results(
        machine=describe_machine(),
        versions=environments.describe_versions(),
        settings={server.name: server.environment for server in plan.servers},
        options={
            "models": list(plan.models),
            "image_sizes": list(plan.image_sizes),
            "client_counts": list(plan.client_counts),
            "rounds": plan.rounds,
            "seconds": plan.seconds,
        },
    )
    every_image = inputs.prepare_images(plan.cache)
    images = {size: every_image[size] for size in plan.image_sizes}
    for model in plan.models:
        print(f"{model}: weights and artifact", flush=True)
        folder = inputs.prepare_model(model, plan.cache)
        _ModelRun(plan, results, model, folder, images).run()
    return results


class _ModelRun:
    def __init__(
        self, plan: Plan, results: Results, model: str, folder: Path, images: Mapping[str, bytes]
    ) -> None:
        self._plan = plan
        self._results = results
        self._model = model
        self._folder = folder
        self._networks = inputs.network_files(folder)
        self._images = images
        self._expected: dict[str, Predictions] = {}

    def run(self) -> None:
        measurable = [
            server
            for server in self._plan.servers
            if self._try(server, functools.partial(self._measure_alone, server))
        ]
        with ExitStack() as stack:
            running: list[RunningServer] = []
            for server in measurable:
                self._try(server, functools.partial(self._add, server, running, stack))
            for number in range(self._plan.rounds):
                self._measure_engine(number)
                self._measure_cells(number, running)

    def _try(self, server: Server, action: Callable[[], None]) -> bool:
        """Return whether it succeeded; a peer's error is recorded, ours ends the run."""
        try:
            action()
        except BenchError as error:
            if server is self._plan.servers[0]:
                raise
            print(f"  {server.title} is not measured: {error}", flush=True)
            failure = Failure(server=server.name, model=self._model, reason=str(error))
            self._results.failures.append(failure)
            return False
        return True

    def _measure_alone(self, server: Server) -> None:
        """Check a server's classes; read its memory, of which nothing is shared with others now."""
        print(f"{self._model}: {server.title} alone", flush=True)
        if server.precision not in self._networks:
            raise BenchError(f"the artifact has no {server.precision} network")
        with self._start(server) as running:
            for size, image in self._images.items():
                self._check(server, size, running.classify(image))
            self._measure_cell(running, next(iter(self._images)), BUSY_CLIENTS, number=0)
            self._record_start(running, memory_bytes=running.processes.memory_bytes())

    def _add(self, server: Server, running: list[RunningServer], stack: ExitStack) -> None:
        started = stack.enter_context(self._start(server))
        self._record_start(started, memory_bytes=None)
        started.processes.pause()
        running.append(started)

    def _check(self, server: Server, size: str, predictions: Predictions) -> None:
        """Refuse a server that computes another network than the first one, which is ours.

        An int8 network is another one; its build checks how often its classes are the same.
        """
        expected = self._expected.setdefault(size, predictions)
        (label, probability), (own_label, own_probability) = expected[0], predictions[0]
        close = abs(probability - own_probability) < _MAX_PROBABILITY_DIFFERENCE
        if not (label == own_label and close) and server.precision != "int8":
            raise BenchError(
                f"its class of {size} is {own_label} {own_probability:.3f}, "
                f"but that of {self._plan.servers[0].title} is {label} {probability:.3f}"
            )

    def _start(self, server: Server) -> AbstractContextManager[RunningServer]:
        cache = self._plan.cache
        return start(
            server,
            programs=OUR_PROGRAMS if server in OURS else environments.prepare(server.name, cache),
            inputs=self._folder,
            scratch=cache / "scratch" / server.name,
            image=next(iter(self._images.values())),
        )

    def _record_start(self, running: RunningServer, *, memory_bytes: int | None) -> None:
        seconds = running.first_response_seconds
        print(f"  {running.server.title}: first response after {seconds:.1f} s")
        sample = StartSample(
            server=running.server.name,
            model=self._model,
            first_response_seconds=seconds,
            memory_bytes=memory_bytes,
        )
        self._results.starts.append(sample)

    def _measure_engine(self, number: int) -> None:
        for precision, network in self._networks.items():
            printed = run_program(
                OUR_PROGRAMS / "python", _ENGINE_SCRIPT, "--network", network, "--crop",
                str(inputs.crop_size(self._folder)), "--cores", str(CORES),
                "--seconds", str(self._plan.seconds),
            )  # fmt: skip
            sample = EngineSample(
                precision=precision, model=self._model, round=number, **json.loads(printed)
            )
            print(f"{self._model}: engine alone {precision} {sample.throughput:.1f}/s")
            self._results.engine.append(sample)

    def _measure_cells(self, number: int, running: Sequence[RunningServer]) -> None:
        cells = itertools.product(self._images, self._plan.client_counts)
        for index, (size, client_count) in enumerate(cells):
            print(f"{self._model} {size}, {client_count} clients, round {number + 1}")
            # The first one finds the machine cooler, so that each is first in its turn.
            shift = (number + index) % len(running)
            for server in [*running[shift:], *running[:shift]]:
                server.processes.resume()
                sample = self._measure_cell(server, size, client_count, number)
                server.processes.pause()
                self._results.cells.append(sample)
                print(f"  {server.server.title}: {sample.throughput:.1f}/s", flush=True)

    def _measure_cell(
        self, server: RunningServer, size: str, client_count: int, number: int
    ) -> CellSample:
        share = 1.0 if client_count in _FULL_TIME_CLIENTS else 0.5
        seconds = self._plan.seconds * share
        window = server.drive(self._images[size], client_count=client_count, seconds=seconds)
        latencies = [round(latency, 2) for latency in window.latencies_ms(200)]
        return CellSample(
            server=server.server.name,
            model=self._model,
            image_size=size,
            client_count=client_count,
            round=number,
            throughput=window.throughput,
            latencies_ms=latencies,
            cpu_ms=1000 * window.server_cpu_seconds / max(1, len(latencies)),
            client_cpu_ms=1000 * window.client_cpu_seconds / max(1, len(window.exchanges)),
            counts=dict(Counter(str(exchange.status) for exchange in window.exchanges)),
        )
