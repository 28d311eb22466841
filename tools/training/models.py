"""`make models`: the models that a stage's training has registered, the newest first."""

import json
from typing import Final

from stacks.names import LOCKS_FOLDER
from tools.account.account import read_stage
from tools.console import run_tool
from tools.delivery.lock_file import files_of, find_lock
from tools.delivery.lock_summary import read_summary
from tools.local.deployment import add_deployment
from tools.make_variables import MakeParser
from tools.stage_access import LOCAL, clients_of, stage_option
from tools.training.packages import APPROVED, PENDING, list_packages
from tools.training.table import as_json, is_served, table

_VARIABLES: Final = {"--stage": "STAGE"}


def main() -> None:
    """Print a table, or JSON."""
    parser = MakeParser(
        variables=_VARIABLES, prog="python -m tools.training.models", description=__doc__
    )
    parser.add_argument("--stage", default=LOCAL, help="names config/<stage>.toml (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print a list of objects")
    add_deployment(parser)
    arguments = parser.parse()
    settings = read_stage(arguments.stage, arguments.deployment)
    lock = find_lock(settings.stage)
    sagemaker = clients_of(settings, arguments.deployment)("sagemaker")
    packages = list(list_packages(sagemaker, settings))
    if arguments.json:
        print(json.dumps([as_json(package, lock) for package in packages], indent=2))
        return
    option = stage_option(settings.stage)
    if not packages:
        print(
            f"{settings.name} has no registered models: `make train DATA=<folder> "
            f"ON=sagemaker{option}` trains and registers one."
        )
        return
    print(table(packages, lock))
    if any(is_served(package, lock) for package in packages):
        print(f"* is what {LOCKS_FOLDER}/{settings.stage}.toml names.")
    elif summary := read_summary(files_of(settings.stage)):
        print(f"{LOCKS_FOLDER}/{settings.stage}.toml names none of these, but {summary}.")
    else:
        print(f"The stage {settings.stage} has no lock: `make promote{option}` writes one.")
    # The newest comes first.
    usable = next((each for each in packages if each.status in {PENDING, APPROVED}), None)
    if usable is not None and usable.status == PENDING:
        print(f"Next: make approve{option}")
    elif usable is not None and not is_served(usable, lock):
        print(f"Next: make promote{option}")


if __name__ == "__main__":
    run_tool(main)
