"""The figures of a model that targets are about, compared in the rounds."""

import statistics
from dataclasses import dataclass
from typing import Final

from bench.results import Figure, Results
from bench.server import Kind
from bench.spread import Spread, difference, ratio

IMAGE_SIZE: Final = "500x375"
BUSY_CLIENTS: Final = 16


@dataclass
class Figures:
    """Of one model, with images of `IMAGE_SIZE`: p50 at one client, all else at `BUSY_CLIENTS`."""

    results: Results
    model: str

    def best(self, kind: Kind) -> tuple[str, str]:
        """Return name and title of the server of a kind with the highest throughput when busy."""
        medians = {
            (server.name, server.title): statistics.median(by_round.values())
            for server in self.results.servers
            if server.kind == kind and (by_round := self._by_round("throughput", server.name))
        }
        return max(medians, key=lambda server: medians[server], default=("", "none"))

    def ratio(self, figure: Figure, server: str, other: str) -> Spread | None:
        """Return a server's figure divided by another's."""
        return ratio(self._by_round(figure, server), self._by_round(figure, other))

    def engine_ratio(self, figure: Figure, server: str, precision: str) -> Spread | None:
        """Return a server's figure divided by that of the engine alone."""
        return ratio(self._by_round(figure, server), self._engine(figure, precision))

    def above_engine(self, figure: Figure, server: str, precision: str) -> Spread | None:
        """Return a server's figure minus that of the engine alone."""
        return difference(self._by_round(figure, server), self._engine(figure, precision))

    def memory_ratio(self, server: str, other: str) -> float | None:
        """Return a server's memory divided by another's."""
        own, others = (self.results.memory_bytes(name, self.model) for name in (server, other))
        return own / others if own and others else None

    def _engine(self, figure: Figure, precision: str) -> dict[int, float]:
        return self.results.engine_by_round(figure, precision, self.model)

    def _by_round(self, figure: Figure, server: str) -> dict[int, float]:
        client_count = 1 if figure == "p50_ms" else BUSY_CLIENTS
        return self.results.by_round(figure, server, self.model, IMAGE_SIZE, client_count)
