"""The local cloud's process: `python -m local_cloud.server`, started by `up`."""

import argparse
import contextlib
import logging
import os
import sys
import traceback
from pathlib import Path

from local_cloud.clock import AWS_MINUTE_SECONDS, Clock
from local_cloud.crash import crash_reason
from local_cloud.place import Place


def main() -> None:
    """Serve until SIGTERM; after a crash, say why and exit with status 1."""
    parser = argparse.ArgumentParser(description="The local cloud's server; use `up` instead.")
    parser.add_argument("--state-directory", type=Path, required=True)
    parser.add_argument("--assembly", type=Path, required=True)
    parser.add_argument("--serving-python", type=Path, required=True)
    parser.add_argument("--training-python", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--public-port", type=int, required=True)
    parser.add_argument("--minute-seconds", type=float, default=AWS_MINUTE_SECONDS)
    arguments = parser.parse_args()
    place = Place(arguments.state_directory)
    status = 1
    try:
        # Imported here, so that a failed import is reported as any other crash.
        from local_cloud.cloud import run

        run(
            place,
            assembly=arguments.assembly,
            python=arguments.serving_python,
            training_python=arguments.training_python,
            port=arguments.port,
            public_port=arguments.public_port,
            clock=Clock(arguments.minute_seconds),
        )
        status = 0
    except BaseException as error:
        traceback.print_exc()
        reason = crash_reason(error)
        print(f"local cloud: {reason}", file=sys.stderr)
        # The disk may be full, or the folder deleted.
        with contextlib.suppress(OSError):
            place.crash_file.write_text(reason)
    finally:
        # MiniStack's threads may be waiting for work that never ends.
        logging.shutdown()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
