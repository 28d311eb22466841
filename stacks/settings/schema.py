"""The JSON schema of the settings, and descriptions of the values that it allows."""

from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]
# Names of sections and keys, and indexes of lists, starting at the root.
Location = tuple[str | int, ...]


class SettingsSchema:
    """The JSON schema of a settings model."""

    def __init__(self, settings_class: type[BaseModel]) -> None:
        self._root = settings_class.model_json_schema()

    def at(self, location: Location) -> Schema:
        """Return the schema of a key, a section or an entry of a list."""
        found = self._root
        for part in location:
            found = self._resolve(
                found["items"] if isinstance(part, int) else found["properties"][part]
            )
        return found

    def keys(self, location: Location) -> list[str]:
        """Return the keys that a file may contain in a section, in the order of the model."""
        properties = self.at(location)["properties"]
        return [key for key, schema in properties.items() if schema.get("in_file", True)]

    def expected(self, schema: Schema) -> str:
        """Describe what a schema allows, for example "a whole number from 1 to 3"."""
        match schema:
            case {"expected": str(words)}:
                return words
            case {"enum": values}:
                return "one of " + ", ".join(str(value) for value in values)
            case {"type": "boolean"}:
                return "true or false"
            case {"type": "integer", "minimum": minimum, "maximum": maximum}:
                return f"a whole number from {minimum} to {maximum}"
            case {"type": "number", "minimum": minimum, "maximum": maximum}:
                return f"a number from {minimum:g} to {maximum:g}"
            case {"properties": properties}:
                return "a table of " + ", ".join(properties)
            case {"items": items}:
                return f"a list, each entry {self.expected(self._resolve(items))}"
        raise ValueError(f"no words for {schema}")

    def _resolve(self, schema: Schema) -> Schema:
        """Follow a reference, and remove null from an optional value."""
        if schema.get("anyOf"):
            return self._resolve({**schema["anyOf"][0], **schema, "anyOf": None})
        if "$ref" in schema:
            name = schema["$ref"].removeprefix("#/$defs/")
            return {**self._root["$defs"][name], **schema}
        return schema
