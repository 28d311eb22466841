"""torchrun without its traceback: what failed is said by the worker that failed, or by train.py."""

from __future__ import annotations

import sys


def main() -> None:
    """Run torchrun with the flags of this process."""
    # Imported here: the process that starts this program does without torch.
    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    try:
        run.run(run.parse_args(sys.argv[1:]))
    except (ChildFailedError, SignalException):
        sys.exit(1)


if __name__ == "__main__":
    main()
