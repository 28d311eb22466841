"""`make rollback STAGE=...`: commit the lock of the previous model, and deploy it.

A stage that something else than a laptop deploys follows when the commit is pushed; BREAK_GLASS=1
deploys it from here, at once.
"""

import subprocess
import sys
import tomllib

from stacks.components.serving.model_choice import STORE_FOLDER
from stacks.components.serving.model_lock import ModelLock
from stacks.names import LOCKS_FOLDER
from stacks.settings.stage import StageSettings
from tools.account.account import read_stage
from tools.cdk import ROOT
from tools.console import ToolError, run_tool
from tools.delivery.clients import stage_clients
from tools.delivery.doors import breaks_glass
from tools.delivery.lock_history import CommittedLock, LockHistory
from tools.delivery.locked_model import locked_model_problem
from tools.make_variables import MakeParser

_VARIABLES = {"--stage": "STAGE", "--to": "TO"}


def main() -> int:
    """Commit the lock; return the exit status of the deployment."""
    parser = MakeParser(
        variables=_VARIABLES, prog="python -m tools.delivery.rollback", description=__doc__
    )
    parser.add_argument("--stage", required=True, help="names config/<stage>.toml")
    parser.add_argument(
        "--to", help="first digits of the model's version; the previous model by default"
    )
    parser.add_argument("--yes", action="store_true", help="do not confirm wider permissions")
    arguments = parser.parse()
    settings = read_stage(arguments.stage)
    history = LockHistory(ROOT, settings.stage)
    history.check_clean()
    target = _target(history, settings.stage, arguments.to)
    deploys = settings.delivery == "laptop" or breaks_glass()
    if deploys:
        _check_stored(settings, target)
    print(f"Rolling {settings.stage} back to: {target.summary}")
    commit = history.commit(target, f"Roll {settings.stage} back to {target.sha256[:12]}")
    print(f"Committed as {commit}.", flush=True)
    if not deploys:
        print("Push it to the main branch: `git push`.")
        return 0
    module, *options = (
        ["tools.local.up", "--from-make"]
        if settings.stage == "local"
        else ["tools.deployment.deploy", "--stage", settings.stage]
        + (["--yes"] if arguments.yes else [])
    )
    return subprocess.run(  # noqa: S603 - the command is built here
        [sys.executable, "-m", module, *options], cwd=ROOT, check=False
    ).returncode


def _check_stored(settings: StageSettings, target: CommittedLock) -> None:
    """Check, before the commit, that the artifact of the earlier model is still there."""
    if settings.stage == "local":
        folder = ROOT / STORE_FOLDER / target.sha256
        problem = None if folder.is_dir() else f"{target.summary} is not in {folder}"
    else:
        try:
            lock = ModelLock.model_validate(tomllib.loads(target.lock.decode()))
        except ValueError as error:
            raise ToolError(f"The lock of {target.commit} cannot be read: {error}") from error
        problem = locked_model_problem(settings, lock, stage_clients(settings))
    if problem is not None:
        raise ToolError(
            f"{problem}\nNothing was committed. `git checkout {target.commit[:12]} -- "
            f"{LOCKS_FOLDER}/{settings.stage}.*` takes the lock nevertheless."
        )


def _target(history: LockHistory, stage: str, version: str | None) -> CommittedLock:
    models = history.models()
    if not models:
        raise ToolError(f"No lock of the stage {stage} was committed: there is no earlier model.")
    if version is not None:
        target = history.find(version)
        if target.sha256 == models[-1].sha256:
            raise ToolError(f"TO={version}: that is the present model, {target.summary}.")
        return target
    if len(models) == 1:
        raise ToolError(
            f"The stage {stage} has no model before {models[-1].summary}. "
            "TO=<version> takes any other that was committed."
        )
    return models[-2]


if __name__ == "__main__":
    run_tool(main)
