"""CloudFormation types of EC2 networks that MiniStack lacks: rules of groups, and flow logs.

MiniStack has the API operations; no traffic passes through its networks.
"""

from collections.abc import Callable
from typing import Any

from ministack.services import ec2
from ministack.services.cloudformation import provisioners

Properties = dict[str, Any]
Created = tuple[str, dict[str, str]]

# By resource type: where a group has such rules.
_RULES = {
    "AWS::EC2::SecurityGroupIngress": "IpPermissions",
    "AWS::EC2::SecurityGroupEgress": "IpPermissionsEgress",
}
# Of a flow log, as in CreateFlowLogs.
_FLOW_LOG = ("ResourceType", "TrafficType", "LogDestinationType", "LogGroupName")


def install_network_resources() -> None:
    """Add the types; an update replaces a resource."""
    handlers = {kind: _rule_handlers(member) for kind, member in _RULES.items()}
    handlers["AWS::EC2::FlowLog"] = {"create": _create_flow_log, "delete": _delete_flow_log}
    for kind, handler in handlers.items():
        provisioners._RESOURCE_HANDLERS[kind] = handler


def _rule_handlers(member: str) -> dict[str, Callable[..., Any]]:
    def create(logical_id: str, properties: Properties, _stack_name: str) -> Created:
        group = ec2._security_groups.get(properties["GroupId"])
        if group is None:
            raise ValueError(f"The security group '{properties['GroupId']}' does not exist")
        group[member] += provisioners._ec2_sg_permissions([properties])
        return f"{properties['GroupId']}|{member}|{logical_id}", {}

    def delete(_physical_id: str, properties: Properties) -> None:
        group = ec2._security_groups.get(properties["GroupId"])
        if group is not None:
            (rule,) = provisioners._ec2_sg_permissions([properties])
            group[member] = [each for each in group[member] if each != rule]

    return {"create": create, "delete": delete}


def _create_flow_log(_logical_id: str, properties: Properties, _stack_name: str) -> Created:
    before = set(ec2._flow_logs)
    given = {name: properties[name] for name in _FLOW_LOG if name in properties}
    ec2._create_flow_logs({"ResourceId.1": properties["ResourceId"], **given})
    (created,) = set(ec2._flow_logs) - before
    return created, {"Id": created}


def _delete_flow_log(physical_id: str, _properties: Properties) -> None:
    ec2._delete_flow_logs({"FlowLogId.1": physical_id})
