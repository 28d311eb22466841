"""Why the local cloud's process ended, in one sentence for the user."""

import errno
import ssl

from local_cloud.errors import LifecycleError

_IMPORT = (
    "a library of the local cloud cannot be imported ({error}). Delete .venvs/local-cloud, then "
    "run `make environments`."
)
_ADDRESS_IN_USE = (
    "another process took one of its ports ({error}). Run `make up` again, or choose others with "
    "`make up PORT=4567 PUBLIC_PORT=4581`."
)
_DISK_FULL = "the disk is full ({error}). Free some space, then run `make up` again."
_TOO_MANY_FILES = (
    "it may not open more files ({error}). Raise the limit with `ulimit -n 4096`, then run "
    "`make up` again."
)
_CERTIFICATE = (
    "its certificate or key cannot be read ({error}). `make down`, then `make up`, make new ones."
)
_BY_ERRNO = {
    errno.EADDRINUSE: _ADDRESS_IN_USE,
    errno.ENOSPC: _DISK_FULL,
    errno.EDQUOT: _DISK_FULL,
    errno.EMFILE: _TOO_MANY_FILES,
    errno.ENFILE: _TOO_MANY_FILES,
}


def crash_reason(error: BaseException) -> str:
    """Return what went wrong and what to do, on one line, without a stack trace."""
    if isinstance(error, LifecycleError):
        return str(error)
    if isinstance(error, ImportError):
        text = _IMPORT
    elif isinstance(error, ssl.SSLError):
        text = _CERTIFICATE
    elif isinstance(error, OSError) and error.errno in _BY_ERRNO:
        text = _BY_ERRNO[error.errno]
    elif isinstance(error, MemoryError):
        text = "the machine has no memory left. Close other programs, then run `make up` again."
    else:
        text = f"{type(error).__name__}: {{error}}"
    return " ".join(text.format(error=error).split())
