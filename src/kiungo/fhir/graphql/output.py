"""An answer's object while it is made: values collect under their names, because flattening brings several together."""

from dataclasses import dataclass, field
from typing import Any

from kiungo.fhir.graphql.document import wrong


@dataclass(slots=True)
class _Held:
    is_list: bool
    is_singleton: bool
    values: list[Any] = field(default_factory=list)


class Output:
    """The fields of one object in their order."""

    def __init__(self) -> None:
        self._held: dict[str, _Held] = {}

    def field(self, name: str, *, is_list: bool, is_singleton: bool) -> list[Any]:
        """Where the values of a field go; the same place when the name comes again."""
        held = self._held.get(name)
        if held is None:
            held = self._held[name] = _Held(is_list and not is_singleton, is_singleton)
        return held.values

    def rendered(self) -> dict[str, Any]:
        """The object as JSON. Raises: Incorrect when a field that was said to be single is not."""
        return {name: self._rendered(name, held) for name, held in self._held.items()}

    def _rendered(self, name: str, held: _Held) -> Any:
        values = [value.rendered() if isinstance(value, Output) else value for value in held.values]
        if held.is_list:
            return values
        if len(values) > 1:
            raise wrong(f"{name} has {len(values)} values, but is @singleton", "Take the first with @first")
        return values[0] if values else None
