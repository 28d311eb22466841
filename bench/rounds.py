"""A run: the servers of a model started, then driven in turn in every cell of every round."""

import itertools
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from bench import environments, inputs
from bench.figures import BUSY_CLIENTS
from bench.plan import Plan, describe
from bench.programs import ROOT, BenchError, run_program
from bench.report import describe_machine
from bench.results import CellSample, EngineSample, Results, StartSample
from bench.running import Predictions, RunningServer, start
from bench.server import Server
from bench.servers import OUR_PROGRAMS
from classifier.artifact.directory import MANIFEST_FILE

# The targets are about these, so that they get the whole time, and the others half of it.
_FULL_TIME_CLIENTS: Final = (1, BUSY_CLIENTS)
_MAX_PROBABILITY_DIFFERENCE: Final = 0.02
_OPTIONS: Final = ("models", "image_sizes", "client_counts", "rounds", "seconds")
_ENGINE_SCRIPT: Final = ROOT / "bench" / "engine_limit.py"


def run(plan: Plan) -> Results:
    """Return what was measured; a peer that could not be measured is a failure in it.

    Raises:
        BenchError: our own server could not be measured.
    """
    results = Results(
        machine=describe_machine(),
        servers=[describe(server, plan) for server in plan.servers],
        options={name: getattr(plan, name) for name in _OPTIONS},
    )
    every_image = inputs.prepare_images(plan.cache)
    images = {size: every_image[size] for size in plan.image_sizes}
    for model in plan.models:
        print(f"{model}: weights and artifact", flush=True)
        folder = inputs.prepare_model(model, plan.cache)
        _ModelRun(plan, results, model, folder, images).run()
    return results


@dataclass
class _ModelRun:
    plan: Plan
    results: Results
    model: str
    folder: Path
    images: Mapping[str, bytes]
    expected: dict[str, Predictions] = field(default_factory=dict)
    networks: Mapping[str, Path] = field(init=False)

    def __post_init__(self) -> None:
        self.networks = inputs.networks(self.folder)

    def run(self) -> None:
        measurable = [s for s in self.plan.servers if self._try(self._measure_alone, s)]
        with ExitStack() as stack:
            running: list[RunningServer] = []
            for server in measurable:
                self._try(self._add, server, running, stack)
            for number in range(self.plan.rounds):
                self._measure_cells(number, running)

    def _try(self, action: Callable[..., None], server: Server, *others: object) -> bool:
        """Return whether it succeeded; a peer's error is recorded, ours ends the run."""
        try:
            action(server, *others)
        except BenchError as error:
            if server is self.plan.servers[0]:
                raise
            print(f"  {server.title} is not measured: {error}", flush=True)
            self.results.failures.setdefault(self.model, {})[server.name] = str(error)
            return False
        return True

    def _measure_alone(self, server: Server) -> None:
        """Check a server's classes; read its memory, of which nothing is shared with others now."""
        print(f"{self.model}: {server.title} alone", flush=True)
        if server.precision not in self.networks:
            raise BenchError(f"this model, or this processor, has no {server.precision}")
        if server.kind == "torch" and self.model == inputs.PUBLISHED_MODEL:
            raise BenchError("its published weights are no torchvision network")
        with self._start(server) as running:
            for size, image in self.images.items():
                self._check(server, size, running.classify(image))
            self._measure_cell(running, next(iter(self.images)), BUSY_CLIENTS, number=0)
            self._record_start(running, memory_bytes=running.processes.memory_bytes())

    def _add(self, server: Server, running: list[RunningServer], stack: ExitStack) -> None:
        started = stack.enter_context(self._start(server))
        self._record_start(started, memory_bytes=None)
        started.processes.pause()
        running.append(started)

    def _check(self, server: Server, size: str, predictions: Predictions) -> None:
        """Refuse a server that computes another network than the first one, which is ours.

        Another precision is another network; its build checks how often its classes are the same.
        """
        expected = self.expected.setdefault(size, predictions)
        (label, probability), (own_label, own_probability) = expected[0], predictions[0]
        close = abs(probability - own_probability) < _MAX_PROBABILITY_DIFFERENCE
        if not (label == own_label and close) and server.precision == "fp32":
            raise BenchError(
                f"its class of {size} is {own_label} {own_probability:.3f}, "
                f"but that of {self.plan.servers[0].title} is {label} {probability:.3f}"
            )

    def _start(self, server: Server) -> AbstractContextManager[RunningServer]:
        cache, image = self.plan.cache, next(iter(self.images.values()))
        is_peer, is_before = server.is_peer, server.kind == "before"
        programs = environments.prepare(server.name, cache) if is_peer else OUR_PROGRAMS
        folder = inputs.earlier(self.folder) if is_before else self.folder
        scratch = cache / "scratch" / server.name
        return start(server, programs=programs, inputs=folder, scratch=scratch, image=image)

    def _record_start(self, running: RunningServer, *, memory_bytes: int | None) -> None:
        seconds = running.first_response_seconds
        print(f"  {running.server.title}: first response after {seconds:.1f} s")
        sample = StartSample(running.server.name, self.model, seconds, memory_bytes)
        self.results.starts.append(sample)

    def _measure_cells(self, number: int, running: Sequence[RunningServer]) -> None:
        cells = itertools.product(self.images, self.plan.client_counts)
        for index, cell in enumerate(cells):
            size, client_count = cell
            print(f"{self.model} {size}, {client_count} client(s), round {number + 1}")
            turns = [partial(self._take_turn, server, *cell, number) for server in running]
            if cell == (next(iter(self.images)), BUSY_CLIENTS):
                # Beside the figures that are compared with it.
                precisions = {server.server.precision: None for server in running}
                turns += [partial(self._measure_engine, name, number) for name in precisions]
            # The first one finds the machine cooler, so that each is first in its turn.
            shift = (number + index) % len(turns)
            for turn in [*turns[shift:], *turns[:shift]]:
                turn()

    def _take_turn(self, server: RunningServer, size: str, client_count: int, number: int) -> None:
        server.processes.resume()
        sample = self._measure_cell(server, size, client_count, number)
        server.processes.pause()
        self.results.cells.append(sample)
        print(f"  {server.server.title}: {sample.throughput:.1f}/s", flush=True)

    def _measure_engine(self, precision: str, number: int) -> None:
        manifest = self.folder / "artifact" / MANIFEST_FILE
        hint = "bf16" if precision == "bf16" else "f32"
        python, seconds = OUR_PROGRAMS / "python", str(self.plan.seconds)
        network = self.networks[precision]
        printed = run_program(python, _ENGINE_SCRIPT, network, manifest, seconds, hint)
        figures = json.loads(printed)
        sample = EngineSample(precision=precision, model=self.model, round=number, **figures)
        self.results.engine.append(sample)
        print(f"  engine alone, {precision}: {sample.throughput:.1f}/s", flush=True)

    def _measure_cell(
        self, server: RunningServer, size: str, client_count: int, number: int
    ) -> CellSample:
        seconds = self.plan.seconds * (1.0 if client_count in _FULL_TIME_CLIENTS else 0.5)
        window = server.drive(self.images[size], client_count=client_count, seconds=seconds)
        latencies = [round(latency, 2) for latency in window.latencies_ms(200)]
        return CellSample(
            server=server.server.name,
            model=self.model,
            image_size=size,
            client_count=client_count,
            round=number,
            throughput=window.throughput,
            latencies_ms=latencies,
            cpu_ms=1000 * window.server_cpu_seconds / max(1, len(latencies)),
            client_cpu_ms=1000 * window.client_cpu_seconds / max(1, len(window.exchanges)),
            counts=dict(Counter(str(exchange.status) for exchange in window.exchanges)),
        )
