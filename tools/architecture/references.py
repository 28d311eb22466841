"""Which resources of a stage's templates use which others."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

Template = Mapping[str, Any]
# The stack's name and the logical id.
Place = tuple[str, str]

_SUBSTITUTED: Final = re.compile(r"\$\{(\w+)")
# The types that have a literal name, the property that it is, and what precedes it in ARNs.
_NAMED: Final = (
    ("AWS::SageMaker::Endpoint", "EndpointName", "endpoint"),
    ("AWS::SageMaker::ModelPackageGroup", "ModelPackageGroupName", "model-package"),
)
# What names its owner and is not named by it, with the owner's type.
_OWNERS: Final = {
    "AWS::ApiGateway::Method": "AWS::ApiGateway::RestApi",
    "AWS::IAM::ManagedPolicy": "AWS::IAM::Role",
    "AWS::IAM::Policy": "AWS::IAM::Role",
    "AWS::WAFv2::WebACLAssociation": "AWS::WAFv2::WebACL",
}


class References:
    """The references of some templates, also those between stacks and by a literal name."""

    def __init__(self, templates: Mapping[str, Template]) -> None:
        """Read the references.

        Args:
            templates: by the stack's name.
        """
        self._outputs = {
            (stack, name): output["Value"]
            for stack, template in templates.items()
            for name, output in template.get("Outputs", {}).items()
        }
        resources = {
            (stack, name): resource
            for stack, template in templates.items()
            for name, resource in template["Resources"].items()
        }
        # Others name them in ARNs and not by a reference.
        names = {
            f"{in_arns}/{resource['Properties'][key]}": place
            for place, resource in resources.items()
            for type_, key, in_arns in _NAMED
            if resource["Type"] == type_
        }
        self._used: dict[Place, set[Place]] = defaultdict(set)
        for place, resource in resources.items():
            used = set(self._named(place[0], resource.get("Properties", {}), names)) & set(
                resources
            )
            self._used[place] |= used
            owner = _OWNERS.get(resource["Type"])
            for each in used:
                if resources[each]["Type"] == owner:
                    self._used[each].add(place)

    def reach(self, start: Place, end: Place, other: Collection[Place] = ()) -> bool:
        """Return whether a resource uses another, itself or by what is between them.

        Args:
            start: the one.
            end: the other.
            other: resources that are not between them.
        """
        seen, waiting = {start}, [start]
        while waiting:
            for place in self._used[waiting.pop()] - seen:
                if place == end:
                    return True
                seen.add(place)
                if place not in other:
                    waiting.append(place)
        return False

    def _named(self, stack: str, value: Any, names: Mapping[str, Place]) -> Iterator[Place]:
        if isinstance(value, str):
            yield from ((stack, name) for name in _SUBSTITUTED.findall(value))
            yield from (place for name, place in names.items() if name in value)
        elif isinstance(value, list):
            for each in value:
                yield from self._named(stack, each, names)
        elif isinstance(value, dict):
            yield from self._referred(stack, value, names)

    def _referred(
        self, stack: str, value: Mapping[str, Any], names: Mapping[str, Place]
    ) -> Iterator[Place]:
        if isinstance(name := value.get("Ref"), str):
            yield stack, name
        elif isinstance(attribute := value.get("Fn::GetAtt"), list):
            yield stack, attribute[0]
        elif output := value.get("Fn::GetStackOutput"):
            place = (output["StackName"], output["OutputName"])
            yield from self._named(place[0], self._outputs.get(place), names)
        else:
            for each in value.values():
                yield from self._named(stack, each, names)
