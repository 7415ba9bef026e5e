"""What can be wrong with a resource in XML, said with its line and column."""

from kiungo.base.errors import Incorrect, define

FHIR_XML_MALFORMED = define(
    "FHIR_XML_MALFORMED", Incorrect, "The body is not well-formed XML, or it has a document type declaration."
)
FHIR_XML_WRONG = define("FHIR_XML_WRONG", Incorrect, "The body is XML, but not a FHIR R4 resource.")
XML_UNWRITABLE = define("XML_UNWRITABLE", Incorrect, "The resource has something that XML cannot say.", http=422)


def malformed(line: int, column: int, what: str) -> Incorrect:
    """Not XML, or not XML we read."""
    return Incorrect(
        FHIR_XML_MALFORMED,
        f"Line {line}, column {column}: {what}",
        hint="Send one well-formed XML document in UTF-8, without a document type declaration",
    )


def wrong(line: int, column: int, place: str, what: str, hint: str | None = None) -> Incorrect:
    """XML that is not FHIR at this place."""
    return Incorrect(FHIR_XML_WRONG, f"Line {line}, column {column}: {what}", field=place or None, hint=hint)


def unwritable(place: str, what: str) -> Incorrect:
    """A value that has no form in XML."""
    return Incorrect(XML_UNWRITABLE, f"{place} {what}", field=place, hint="Ask for the resource as JSON")
