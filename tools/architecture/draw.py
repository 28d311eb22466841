"""Draws docs/architecture.svg: what a stage deploys."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tools.architecture.plan import (
    BOX_HEIGHT,
    BOXES,
    GROUPS,
    HEIGHT,
    WAYS,
    WIDTH,
    Box,
    Group,
    Way,
)
from tools.architecture.references import Place, References, Template
from tools.cdk import ROOT
from tools.console import ToolError
from tools.svg import BLUE, GREEN, GREY, document, line, text

ARCHITECTURE_FILE: Final = ROOT / "docs" / "architecture.svg"
_COLOURS: Final = {"request": BLUE, "data": GREEN, "control": GREY}
_MEANINGS: Final = {"request": "requests", "data": "data", "control": "starts, watches, limits"}
_STYLE: Final = """\
.background{fill:#fff}.group{fill:#f1f3f4}.box{fill:#fff;stroke:#bdc1c6}.detail{fill:#5f6368}
@media(prefers-color-scheme:dark){svg{fill:#e8eaed}.background{fill:#1f1f1f}.group{fill:#2d2f31}
.box{fill:#3c4043;stroke:#80868b}.detail{fill:#bdc1c6}
.request{stroke:#8ab4f8}.data{stroke:#81c995}.control{stroke:#bdc1c6}}"""
_ARROW: Final = 6


def draw_architecture(templates: Mapping[str, Template], stage: str) -> str:
    """Return an SVG image of a stage.

    Args:
        templates: by the stack's name.
        stage: start of the names of its stacks.

    Raises:
        ToolError: the templates lack a resource or a use that the plan has.
    """
    places = {name: _place(box, templates, stage) for name, box in BOXES.items()}
    facts = _facts(templates, stage)
    references = References(templates)
    drawn = "".join(
        (
            *(_group(group, facts) for group in GROUPS),
            *(_arrow(way.points, way.kind) for way in WAYS if _is_used(way, places, references)),
            *(_box(box, facts) for box in BOXES.values()),
            *_legend(),
        )
    )
    return document(WIDTH, HEIGHT, drawn, style=_STYLE)


def _place(box: Box, templates: Mapping[str, Template], stage: str) -> Place | None:
    """Return where the first resource of a box is; None: it is a caller."""
    if box.stack is None:
        return None
    stack = f"{stage}-{box.stack}"
    for name, resource in templates[stack]["Resources"].items():
        has_text = box.contains in json.dumps(resource.get("Properties", {}))
        if resource["Type"] == box.type and name.startswith(box.prefix) and has_text:
            return stack, name
    raise ToolError(f"{stack} has no {box.type} {box.prefix}: adapt tools/architecture/plan.py.")


def _is_used(way: Way, places: Mapping[str, Place | None], references: References) -> bool:
    start, end = places[way.start], places[way.end]
    if way.against:
        start, end = end, start
    if start is None or end is None or start == end:
        return True
    others = {place for place in places.values() if place is not None} - {start, end}
    if references.reach(start, end, others):
        return True
    if way.optional:
        return False
    raise ToolError(
        f"{way.start} and {way.end} have no connection in the templates: adapt "
        "tools/architecture/plan.py."
    )


def _facts(templates: Mapping[str, Template], stage: str) -> dict[str, str]:
    """Return what the texts of the boxes name."""

    def all_of(stack: str, type_: str) -> list[Mapping[str, Any]]:
        resources = templates[f"{stage}-{stack}"]["Resources"].values()
        return [each.get("Properties", {}) for each in resources if each["Type"] == type_]

    targets = all_of("serving", "AWS::ApplicationAutoScaling::ScalableTarget")
    (configuration,) = all_of("serving", "AWS::SageMaker::EndpointConfig")
    kind = configuration["ProductionVariants"][0]["InstanceType"]
    (bounds,) = {(each["MinCapacity"], each["MaxCapacity"]) for each in targets}
    alarms = all_of("monitoring", "AWS::CloudWatch::Alarm")
    keys = all_of("storage", "AWS::KMS::Key")
    return {
        "instances": f"{bounds[0]} to {bounds[1]} {kind.removeprefix('ml.')}",
        "alarms": str(len(alarms)),
        "key": "encrypted with the KMS key of the stage" if keys else "",
    }


def _group(group: Group, facts: Mapping[str, str]) -> str:
    area = (
        f'<rect class="group" x="{group.x}" y="{group.y}" width="{group.width}" '
        f'height="{group.height}" rx="8" fill="#f1f3f4"/>'
    )
    name = text(group.x + 16, group.y + 22, group.purpose, font_weight="bold")
    detail = group.detail.format_map(facts)
    beside = text(group.x + 76, group.y + 22, detail)
    return area + name + (_detail(beside) if detail else "")


def _box(box: Box, facts: Mapping[str, str]) -> str:
    dashes = ' stroke-dasharray="4 3"' if box.stack is None else ""
    frame = (
        f'<rect class="box" x="{box.x}" y="{box.y}" width="{box.width}" height="{BOX_HEIGHT}" '
        f'rx="6" fill="white" stroke="#bdc1c6"{dashes}/>'
    )
    middle = box.x + box.width / 2
    title = text(middle, box.y + 19, box.title, text_anchor="middle", font_weight="bold")
    detail = text(
        middle, box.y + 35, box.detail.format_map(facts), text_anchor="middle", font_size=11
    )
    return frame + title + _detail(detail)


def _detail(drawn: str) -> str:
    return drawn.replace("<text ", f'<text class="detail" fill="{GREY}" ', 1)


def _arrow(points: tuple[tuple[int, int], ...], kind: str) -> str:
    colour = _COLOURS[kind]
    (before_x, before_y), (x, y) = points[-2:]
    back_x, back_y = _sign(before_x - x), _sign(before_y - y)
    # Of a line along an axis, the sides are along the other one.
    base_x, base_y = x + _ARROW * back_x, y + _ARROW * back_y
    side_x, side_y = _ARROW * back_y / 1.5, _ARROW * back_x / 1.5
    tip = ((base_x + side_x, base_y + side_y), (x, y), (base_x - side_x, base_y - side_y))
    drawn = line(points, colour, width=1.6) + line(tip, colour, width=1.6)
    return drawn.replace("<polyline ", f'<polyline class="{kind}" ')


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


def _legend() -> Iterator[str]:
    x, y = 20, HEIGHT - 24
    for kind, meaning in _MEANINGS.items():
        yield _arrow(((x, y), (x + 34, y)), kind)
        yield text(x + 44, y + 4, meaning)
        x += 150
