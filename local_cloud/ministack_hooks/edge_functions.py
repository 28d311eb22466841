"""Ends the Node processes that run CloudFront functions, and keeps enough of them.

MiniStack ends such a process with SIGTERM. The program `node` of the Python package is a Python
process that starts the real Node, which would remain.
"""

from contextlib import suppress
from subprocess import Popen

from ministack.core import cloudfront_js, node_pool

# A browser loads so many files at once; each function beyond the idle ones starts a process.
_BROWSER_CONNECTIONS = 6


def install_edge_functions() -> None:
    """Close the input of a process that is to end: the real Node reads it, and ends with it."""
    original = node_pool._terminate

    def terminate(process: Popen[str] | None) -> None:
        if process is not None and process.stdin is not None:
            with suppress(OSError):
                process.stdin.close()
        original(process)

    node_pool._terminate = terminate
    cloudfront_js._pool.max_idle = _BROWSER_CONNECTIONS
