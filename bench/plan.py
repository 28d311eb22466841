"""What to run, and how its servers are described in the results."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import environments
from bench.programs import run_program
from bench.results import ServerEntry
from bench.server import Server


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to run.

    Attributes:
        servers: ours in fp32 first.
        image_sizes: `<width>x<height>` in pixels.
        seconds: to measure each cell.
        cache: folder for environments, inputs and logs.
        before: another checkout, whose servers are among `servers`.
    """

    servers: Sequence[Server]
    models: Sequence[str]
    image_sizes: Sequence[str]
    client_counts: Sequence[int]
    rounds: int
    seconds: float
    cache: Path
    before: Path | None = None


def describe(server: Server, plan: Plan) -> ServerEntry:
    """Return a server of the plan as the results have it."""
    if server.kind == "before":
        log = ("log", "-1", "--format=%h %s")
        versions = run_program("git", "-C", str(plan.before), *log).strip()
    else:
        versions = environments.describe_versions(server)
    return ServerEntry(
        name=server.name,
        title=server.title,
        kind=server.kind,
        settings=server.environment,
        versions=versions,
    )
