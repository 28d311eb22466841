"""The script that a machine of the EC2 trainer runs at its start."""

from pathlib import Path
from typing import Any, Final

from aws_cdk import Aws, Stack
from constructs import Construct

_SCRIPT: Final = Path(__file__).with_name("user_data.sh")


def user_data(
    scope: Construct, *, shutdown_minutes: int, program_url: str, stage: dict[str, Any]
) -> str:
    """Return the script.

    The first command arms the end of the machine, and the second one ends it when the script does,
    however that happens: what comes after may fail.

    Args:
        scope: any construct of the stack.
        shutdown_minutes: the machine ends itself after this time.
        program_url: S3 address of the archive of `instance_src/`.
        stage: what `trainer.description.Stage` reads.
    """
    script = _SCRIPT.read_text(encoding="utf-8")
    values = {
        "SHUTDOWN_MINUTES": str(shutdown_minutes),
        "REGION": Aws.REGION,
        "STAGE": Stack.of(scope).to_json_string(stage),
        "PROGRAM": program_url,
    }
    for name, value in values.items():
        script = script.replace(f"@{name}@", value)
    return script
