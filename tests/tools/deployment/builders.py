"""Stand-ins for programs such as Docker and uv."""

import sys
from pathlib import Path

# First lines of a program in Python: the path of its interpreter may have spaces, which a `#!`
# line cannot. To the shell they are a command that never returns, to Python a text.
PYTHON_PROGRAM = f"""#!/bin/sh
'''exec' "{sys.executable}" "$0" "$@"
' '''
"""

BUILD_HELP = "  --build-arg list\n  --platform string\n  -t, --tag stringArray"


def write_builder(
    folder: Path, name: str, *, info: str = "exit 0", build_help: str = BUILD_HELP
) -> Path:
    """Write a program whose `info` runs a line of shell and whose `build --help` prints a text."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / name
    program.write_text(
        "#!/bin/sh\n"
        f'case "$*" in\n  info) {info} ;;\n'
        f"  'build --help') echo '{build_help}' ;;\n"
        "  *) exit 64 ;;\nesac\n"
    )
    program.chmod(0o755)
    return program
