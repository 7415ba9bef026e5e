"""SQL on FHIR: ViewDefinitions turn resources into flat rows, over HTTP, from the store and from files.

    view = read_view(definition)
    for row in view.rows(resource): ...

Source: SQL on FHIR v2.0, ViewDefinition.
"""

from kiungo.fhir.views.definition import read_view
from kiungo.fhir.views.model import VIEW_WRONG, Column, View

__all__ = ["VIEW_WRONG", "Column", "View", "read_view"]
