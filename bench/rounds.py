"""A run: every server of a model started, then all of them in turn in every cell of every round."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import environments, inputs
from bench.engine import measure_engine
from bench.errors import BenchError
from bench.results import EngineSample, Failure, Results, StartSample
from bench.running import Predictions, RunningServer, start
from bench.server import Server
from bench.servers import OUR_PYTHON, OURS
from bench.turn import Cell, take_turn

_LOADED_CLIENTS: Final = 16
_SAME_PROBABILITY: Final = 0.02


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to run.

    Attributes:
        seconds: of measuring, each cell.
    """

    servers: Sequence[Server]
    models: Sequence[str]
    pictures: Sequence[str]
    client_counts: Sequence[int]
    rounds: int
    seconds: float
    cache: Path


def run(plan: Plan, results: Results) -> None:
    """Add to `results` what is measured; what cannot be is a failure there.

    Raises:
        BenchError: our own server could not be measured.
    """
    every_picture = inputs.prepare_pictures(plan.cache)
    pictures = {name: every_picture[name] for name in plan.pictures}
    for model in plan.models:
        print(f"{model}: weights and artifact", flush=True)
        folder = inputs.prepare_model(model, plan.cache)
        _ModelRun(plan, results, model, folder, pictures).run()


class _ModelRun:
    def __init__(
        self,
        plan: Plan,
        results: Results,
        model: str,
        folder: Path,
        pictures: Mapping[str, bytes],
    ) -> None:
        self._plan = plan
        self._results = results
        self._model = model
        self._folder = folder
        self._pictures = pictures
        self._expected: dict[str, Predictions] = {}

    def run(self) -> None:
        measurable = [
            server
            for server in self._plan.servers
            if self._try(server, functools.partial(self._measure_alone, server))
        ]
        with ExitStack() as ends:
            running: list[RunningServer] = []
            for server in measurable:
                self._try(server, functools.partial(self._add, server, running, ends))
            for number in range(self._plan.rounds):
                self._measure_engine(number)
                self._measure_cells(number, running)

    def _try(self, server: Server, action: Callable[[], None]) -> bool:
        """Tell whether it worked; a peer that fails is a failure of its own, ours ends the run."""
        try:
            action()
        except BenchError as error:
            if server is self._plan.servers[0]:
                raise
            print(f"  {server.title} is not measured: {error}", flush=True)
            self._results.failures.append(
                Failure(server=server.name, model=self._model, reason=str(error))
            )
            return False
        return True

    def _add(self, server: Server, running: list[RunningServer], ends: ExitStack) -> None:
        started = self._start(server)
        ends.callback(started.end)
        self._record_start(started, memory_bytes=None)
        started.processes.pause()
        running.append(started)

    def _measure_alone(self, server: Server) -> None:
        """Check its answers and read its memory: what it shares with others would be halved."""
        print(f"{self._model}: {server.title} alone", flush=True)
        if server.precision == "int8" and not inputs.has_int8(self._folder):
            raise BenchError("the artifact has no int8 network")
        started = self._start(server)
        try:
            for name, picture in self._pictures.items():
                self._check(server, name, started.classify(picture))
            take_turn(started, self._cell(next(iter(self._pictures)), _LOADED_CLIENTS, 0))
            self._record_start(started, memory_bytes=started.processes.memory_bytes())
        finally:
            started.end()

    def _check(self, server: Server, picture: str, answered: Predictions) -> None:
        """Refuse a server that computes another network than the first, which is ours.

        An int8 network is another one: how often it answers the same, its build has judged.
        """
        expected = self._expected.setdefault(picture, answered)
        (label, probability), (own_label, own_probability) = expected[0], answered[0]
        same = label == own_label and abs(probability - own_probability) < _SAME_PROBABILITY
        if not same and server.precision != "int8":
            raise BenchError(
                f"it answers {picture} with {own_label} {own_probability:.3f}, "
                f"but {self._plan.servers[0].title} with {label} {probability:.3f}"
            )

    def _start(self, server: Server) -> RunningServer:
        cache = self._plan.cache
        programs = OUR_PYTHON.parent if server in OURS else environments.prepare(server.name, cache)
        return start(
            server,
            programs=programs,
            inputs=self._folder,
            scratch=cache / "scratch" / server.name,
            picture=next(iter(self._pictures.values())),
        )

    def _record_start(self, started: RunningServer, *, memory_bytes: int | None) -> None:
        print(f"  {started.server.title}: {started.first_answer_seconds:.1f} s to its first answer")
        sample = StartSample(
            server=started.server.name,
            model=self._model,
            first_answer_seconds=started.first_answer_seconds,
            memory_bytes=memory_bytes,
        )
        self._results.starts.append(sample)

    def _measure_engine(self, number: int) -> None:
        precisions = ("fp32", "int8") if inputs.has_int8(self._folder) else ("fp32",)
        for precision in precisions:
            figures = measure_engine(self._folder, precision, self._plan.seconds)
            print(f"{self._model}: engine alone {precision} {figures['throughput']:.1f}/s")
            self._results.engine.append(
                EngineSample(precision=precision, model=self._model, round=number, **figures)
            )

    def _measure_cells(self, number: int, running: Sequence[RunningServer]) -> None:
        pairs = itertools.product(self._pictures, self._plan.client_counts)
        for index, (picture, client_count) in enumerate(pairs):
            cell = self._cell(picture, client_count, number)
            print(f"{self._model} {picture}, {client_count} clients, round {number + 1}")
            # Who is first finds the machine cooler; nobody always is.
            shift = (number + index) % len(running)
            for server in [*running[shift:], *running[:shift]]:
                server.processes.resume()
                sample = take_turn(server, cell)
                server.processes.pause()
                self._results.cells.append(sample)
                print(f"  {server.server.title}: {sample.throughput:.1f}/s", flush=True)

    def _cell(self, picture: str, client_count: int, number: int) -> Cell:
        return Cell(
            model=self._model,
            picture=picture,
            data=self._pictures[picture],
            client_count=client_count,
            round=number,
            seconds=self._plan.seconds,
        )
