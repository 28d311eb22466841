"""The quota check counts the concurrency that the template takes from the account."""

from stacks.settings.stage import StageSettings
from tests.changed_settings import with_changes
from tests.stacks.assembly import Assembly
from tests.stacks.conftest import Synthesize
from tools.account.quotas import needed_concurrency


def taken_by(assembly: Assembly) -> int:
    """Return what all functions reserve, or keep warm without a reservation."""
    functions = assembly.template("api")["Resources"]
    taken = 0
    for function_id, resource in functions.items():
        if resource["Type"] != "AWS::Lambda::Function":
            continue
        aliases = [
            each["Properties"]
            for each in functions.values()
            if each["Type"] == "AWS::Lambda::Alias"
            and each["Properties"]["FunctionName"] == {"Ref": function_id}
        ]
        provisioned = sum(
            alias.get("ProvisionedConcurrencyConfig", {}).get("ProvisionedConcurrentExecutions", 0)
            for alias in aliases
        )
        taken += resource["Properties"].get("ReservedConcurrentExecutions", provisioned)
    return taken


def test_of_each_stage(assembly: Assembly) -> None:
    assert needed_concurrency(assembly.settings.api) == taken_by(assembly)


def test_of_a_stage_that_reserves(dev_settings: StageSettings, synthesize_with: Synthesize) -> None:
    api = with_changes(dev_settings.api, reserved_concurrency=7, provisioned_concurrency=2)
    assembly = synthesize_with(with_changes(dev_settings, api=api))
    assert needed_concurrency(api) == taken_by(assembly) == 7
