"""`python -m local_cloud up|down|status`."""

import argparse
import json
import sys
import time
from pathlib import Path

from local_cloud.clock import AWS_MINUTE_SECONDS, minute_of
from local_cloud.environment import client_environment
from local_cloud.errors import LifecycleError
from local_cloud.lifecycle import StartOptions, responds, running, start, stop
from local_cloud.place import Place, Record

_ROOT = Path(__file__).parent.parent
DEFAULT_STATE_DIRECTORY = _ROOT / "build" / "local-cloud"
# Longer than that of a start, which is repeated: a deployment may use all cores.
_RESPONSE_TIMEOUT_SECONDS = 10.0
_STATUS_STOPPED = 3
_STATUS_NO_RESPONSE = 4


def main() -> int:
    """Run one command; return the exit status."""
    arguments = _parser().parse_args()
    place = Place(arguments.state_directory.absolute())
    try:
        status: int = arguments.command(arguments, place)
    except KeyboardInterrupt:
        return 130
    except (LifecycleError, OSError) as error:
        print(f"local cloud: {error}", file=sys.stderr)
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local_cloud", description="AWS on this machine, for the stage `local`."
    )
    parser.add_argument(
        "--state-directory",
        type=Path,
        default=DEFAULT_STATE_DIRECTORY,
        help="where this cloud keeps its files; each directory is a separate cloud (%(default)s)",
    )
    commands = parser.add_subparsers(required=True)
    up = commands.add_parser("up", help="start it in the background, unless it is running")
    up.set_defaults(command=_up)
    up.add_argument(
        "--assembly", type=Path, default=_ROOT / "cdk.out",
        help="the folder that `cdk synth` writes, with the build contexts of images (%(default)s)",
    )  # fmt: skip
    up.add_argument(
        "--serving-python", type=Path, default=_ROOT / ".venvs/serving/bin/python",
        help="interpreter of the model server's environment (%(default)s)",
    )  # fmt: skip
    up.add_argument(
        "--training-python", type=Path, default=_ROOT / ".venvs/training/bin/python",
        help="interpreter of the training jobs' environment; it may be made later (%(default)s)",
    )  # fmt: skip
    up.add_argument("--port", type=_port, default=4566, help="TLS, AWS APIs; 0: free (%(default)s)")
    up.add_argument(
        "--public-port", type=_port, default=4580,
        help="plain http, the deployed page and API; 0: free (%(default)s)",
    )  # fmt: skip
    up.add_argument("--region", default="us-east-1", help="(%(default)s)")
    up.add_argument(
        "--minute-seconds", type=minute_of,
        help="real seconds of a minute of metrics, alarms, scaling, rollouts (60)",
    )  # fmt: skip
    down = commands.add_parser("down", help="stop it and every process that it started")
    down.set_defaults(command=_down)
    status = commands.add_parser(
        "status",
        help="show whether it runs, and where",
        epilog="Exit status: 0 it runs, 3 it does not, 4 it does not respond.",
    )
    status.set_defaults(command=_status)
    status.add_argument(
        "--json", action="store_true",
        help="for programs; `environment` holds the variables that point AWS clients at it",
    )  # fmt: skip
    return parser


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: expected 0 to 65535")
    return int(text)


def _up(arguments: argparse.Namespace, place: Place) -> int:
    began = time.monotonic()
    options = StartOptions(
        place=place,
        assembly=arguments.assembly.absolute(),
        # Not resolved: Python finds its environment by the folder of the symlink, not its target.
        serving_python=arguments.serving_python.absolute(),
        training_python=arguments.training_python.absolute(),
        port=arguments.port,
        public_port=arguments.public_port,
        region=arguments.region,
        minute_seconds=arguments.minute_seconds or AWS_MINUTE_SECONDS,
    )
    with place.lock():
        record = running(place)
        if record:
            if not responds(place, record, _RESPONSE_TIMEOUT_SECONDS):
                raise LifecycleError(_hung(record))
            if arguments.minute_seconds not in {None, record.minute_seconds}:
                raise LifecycleError(
                    f"a minute of the cloud that runs here takes {record.minute_seconds:g} s: stop "
                    "it with `make down`, then start it with another MINUTE_SECONDS."
                )
            print(f"The local cloud is already running. {_where(record)}")
            return 0
        record = start(options)
    print(f"The local cloud is up after {time.monotonic() - began:.1f} s. {_where(record)}")
    print(f"Logs: {place.logs}")
    return 0


def _down(_arguments: argparse.Namespace, place: Place) -> int:
    if not place.directory.exists():
        print("No local cloud runs here.")
        return 0
    with place.lock():
        killed = stop(place)
    if killed is None:
        print("No local cloud runs here.")
    elif killed:
        print(f"The local cloud is down; {killed} of its processes had to be killed.")
    else:
        print("The local cloud is down.")
    return 0


def _status(arguments: argparse.Namespace, place: Place) -> int:
    record = running(place)
    if record is None:
        print(_why_stopped(place))
        return _STATUS_STOPPED
    if not responds(place, record, _RESPONSE_TIMEOUT_SECONDS):
        print(f"local cloud: {_hung(record)}", file=sys.stderr)
        return _STATUS_NO_RESPONSE
    if arguments.json:
        print(json.dumps(_description(place, record), indent=2))
    else:
        print(f"The local cloud runs. {_where(record)}")
    return 0


def _why_stopped(place: Place) -> str:
    if place.read_record() is None:
        return "No local cloud runs here."
    reason = place.read_crash() or "its process was killed, or the machine was restarted."
    return (
        f"No local cloud runs here. The last one ended unexpectedly: {reason}\n"
        f"Log: {place.server_log}. `make up` starts another."
    )


def _hung(record: Record) -> str:
    return (
        f"process {record.process_id} runs but does not respond. Stop it with `make down`, then "
        "run `make up`."
    )


def _description(place: Place, record: Record) -> dict[str, object]:
    return {
        "process_id": record.process_id,
        "public_url": f"http://127.0.0.1:{record.public_port}",
        "environment": client_environment(
            port=record.port, certificate=place.certificate, region=record.region
        ),
        "logs": str(place.logs),
        "minute_seconds": record.minute_seconds,
    }


def _where(record: Record) -> str:
    return (
        f"AWS APIs: https://localhost:{record.port}, "
        f"deployed API: http://127.0.0.1:{record.public_port}, process {record.process_id}."
    )


if __name__ == "__main__":
    sys.exit(main())
