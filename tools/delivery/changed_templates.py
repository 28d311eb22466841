"""What `cdk diff` prints, in Markdown."""

import json
import re
from typing import Final

from stacks.names import NETWORK_OUTPUT
from stacks.settings.stage import StageSettings
from tools.counted import counted
from tools.deployment.network import network_stack, placement_problem

# A comment on GitHub has at most 65,536 characters, which the stages share.
_MAX_CHARACTERS: Final = 15_000
_STACK: Final = re.compile(r"^Stack (\S+)", re.MULTILINE)
_LOST_KEY: Final = re.compile(r"^\[-\] AWS::KMS::Key ", re.MULTILINE)
# What it was before. The output's path in its stack precedes its logical id.
_PLACEMENT: Final = re.compile(
    rf"^\[~\] Output (?:\S+ )?{NETWORK_OUTPUT}: (\{{.*?\}}) to ", re.MULTILINE
)
_UNCHANGED: Final = "There were no differences"


def describe_templates(comparison: str) -> str:
    """Return the comparison as one foldable block for each stack that changes.

    Args:
        comparison: the output of `cdk diff`; lines before the first stack are left out.
    """
    stacks = _by_stack(comparison)
    changed = {name: text.strip() for name, text in stacks.items() if _UNCHANGED not in text}
    if not changed:
        return "Templates: unchanged\n"
    limit = _MAX_CHARACTERS // len(changed)
    return "\n".join(_block(name, _shortened(text, limit)) for name, text in changed.items())


def warn_of_lost_key(comparison: str, stage: str) -> str:
    """Return a paragraph if the stage's KMS key is taken away, else nothing.

    Args:
        comparison: the output of `cdk diff`.
        stage: the stage's name.
    """
    if not _LOST_KEY.search(_by_stack(comparison).get(f"whippet-{stage}-storage", "")):
        return ""
    return (
        "**This change takes away the KMS key of the stage: what its buckets hold could not be "
        "read any more.** A deployed stage keeps its key (docs/security.md): set `encryption = "
        f'"kms"` in config/{stage}.toml.\n\n'
    )


def warn_of_changed_network(comparison: str, settings: StageSettings) -> str:
    """Return a paragraph if the network of the stage cannot be changed so, else nothing.

    Args:
        comparison: the output of `cdk diff`.
        settings: of the stage.
    """
    found = _PLACEMENT.search(_by_stack(comparison).get(network_stack(settings.name), ""))
    problem = placement_problem(settings, json.loads(found[1])["Value"]) if found else None
    return (
        "" if problem is None else f"**This change cannot be deployed in one step.** {problem}\n\n"
    )


def _by_stack(comparison: str) -> dict[str, str]:
    # re.split with a group: text before, then name and text of each stack in turn.
    parts = _STACK.split(comparison)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _block(name: str, text: str) -> str:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"<details><summary>{name}</summary>\n\n{fence}\n{text}\n{fence}\n\n</details>\n"


def _shortened(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    kept = text[:limit].rpartition("\n")[0]
    left_out = text.count("\n") - kept.count("\n")
    return f"{kept}\n[{counted(left_out, 'more line')}: see the log of the job]"
