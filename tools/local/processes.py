"""Whether a process exists."""

import os


def exists(process_id: int) -> bool:
    """Return whether there is a process with this id, of any user."""
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
