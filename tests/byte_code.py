"""Compiled modules for environments that tests reach by a symbolic link."""

import sys
from pathlib import Path


def share_byte_code(*, link: Path, target: Path) -> dict[str, str]:
    """Let programs that import through a link use the modules that are compiled for its target.

    Python looks for compiled modules by the path of the import, and would compile torch and
    aws_cdk again.

    Args:
        link: absolute path, as those programs import from it.
        target: absolute path of what this process imports from.

    Returns:
        Their environment variable; none where this process has no PYTHONPYCACHEPREFIX.
    """
    if sys.pycache_prefix is None:
        return {}
    prefix = Path(sys.pycache_prefix)
    place = prefix / link.relative_to("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_symlink():  # of an earlier run: the names of temporary folders come again
        place.unlink()
    if not place.exists():
        place.symlink_to(prefix / target.relative_to("/"))
    return {"PYTHONPYCACHEPREFIX": str(prefix)}
