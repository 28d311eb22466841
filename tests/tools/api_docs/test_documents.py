import re

from stacks.settings.stage import StageSettings
from tools.api_docs.alarm_document import operations_document
from tools.api_docs.documents import (
    ERRORS_FILE,
    OPERATIONS_FILE,
    SETTINGS_FILE,
    errors_document,
    settings_document,
)
from tools.api_docs.setting_rows import setting_sections


def test_the_documented_errors_are_the_ones_that_the_code_has() -> None:
    assert ERRORS_FILE.read_text() == errors_document(), "renew it with `make documents`"


def test_the_documented_settings_are_the_ones_that_the_code_has() -> None:
    assert SETTINGS_FILE.read_text() == settings_document(), "renew it with `make documents`"


def test_the_documented_alarms_are_the_ones_of_the_catalogue() -> None:
    document = operations_document()
    assert OPERATIONS_FILE.read_text() == document, "renew it with `make documents`"
    # The notification of an alarm names a heading of this document.
    headings = {line.removeprefix("## ") for line in document.splitlines() if line[:3] == "## "}
    assert {"ApiErrors", "PageErrors", "UsersAffected"} <= headings
    links = set(re.findall(r"\]\(#(\w+)\)", document))
    assert links <= {heading.lower() for heading in headings}


def test_every_setting_of_a_section_is_documented() -> None:
    documented = {
        section.header.strip("[]"): [row.key for row in section.rows]
        for section in setting_sections()
    }
    sections = {
        name: list(type(value).model_fields)
        for name, value in StageSettings(stage="x")
        if name in documented
    }
    assert sections.items() <= documented.items()
    assert set(StageSettings.model_fields) == {"stage", *documented[""], *sections}


def test_a_row_has_bounds_unit_default_and_description() -> None:
    document = settings_document()
    assert "| `memory_mb` | a whole number from 128 to 10240 | MB | `512` | Memory of" in document
    assert '| `alarm_email` | an e-mail address, or "none" |  | not set | ' in document
    assert "| `time_zone` | a time zone such as UTC or Europe/Berlin |  | required | " in document
