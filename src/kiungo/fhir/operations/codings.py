"""The codes a terminology operation is asked about: a code with its system, a Coding, or a CodeableConcept."""

from kiungo.fhir.operations.parameters import Arguments, wrong

CODING = ("code", "system", "version", "coding")
CODINGS = ("code", "system", "systemVersion", "coding", "codeableConcept")
Asked = tuple[str | None, str, str | None, str | None]


def asked_codings(asked: Arguments, *, need_system: bool) -> list[Asked]:
    """(system, code, version, display) of each code asked about; at least one. Raises: Incorrect."""
    concept = asked.thing("codeableConcept")
    if concept is not None:
        given = concept.get("coding", [])
    elif asked.thing("coding") is not None:
        given = [asked.thing("coding")]
    else:
        version = asked.text("systemVersion") or asked.text("version")
        given = [{"system": asked.text("system"), "code": asked.text("code"), "version": version}]
    found = [(c.get("system"), c["code"], c.get("version"), c.get("display")) for c in given if c and c.get("code")]
    if not found:
        raise wrong("code", "is missing", "Add code and system, or a coding")
    if need_system and not all(system for system, _, _, _ in found):
        raise wrong("system", "is missing", "Add the system of the code")
    return found
