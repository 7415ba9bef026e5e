from collections.abc import Callable

from kiungo.fhir.profiles.items import Item
from kiungo.fhir.profiles.run import Run

Asked = Callable[[Item, Run], bool | None]


def asked(expression: str, type_name: str) -> Asked:
    return lambda item, run: None
