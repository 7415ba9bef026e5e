"""Field 86 of MT940: what banks put into it, in three shapes.

    /EREF/LEG7/NAME/ABC Supplies/REMI/Booking 12    code words between slashes
    166?20EREF+LEG7?32ABC Supplies                  numbered subfields after a transaction code
    anything else                                   plain text

Source: SWIFT MT940 field 86 (6 lines of 65); code words as used in ISO 20022 mappings; numbered form as in banking
practice of the German-speaking countries, which many core banking systems offer.
"""

import re
from dataclasses import dataclass

LINE_LENGTH = 65
LINES_MAX = 6
_WORDS = ("EREF", "NAME", "REMI", "ORDP", "BENM", "TRCD")
_SLASHED = re.compile(rf"/({'|'.join(_WORDS)})/")
_NUMBERED = re.compile(r"[0-9]{0,3}\?[0-9]{2}")
_SUBFIELD = re.compile(r"\?([0-9]{2})")
_NUMBERED_REFERENCE = re.compile(r"EREF\+([^?+]{1,35}?)(?=(?:KREF|MREF|CRED|SVWZ|ABWA)\+|$)")


@dataclass(frozen=True, slots=True)
class Information:
    """What field 86 says, as far as it can be told apart."""

    end_to_end: str = ""
    party: str = ""
    text: str = ""


def read_information(content: str) -> Information:
    """Read field 86; lines are joined as they are, since a word may run over the line's end."""
    joined = content.replace("\n", "")
    if _SLASHED.match(joined):
        pieces = _SLASHED.split(joined)
        words = dict(zip(pieces[1::2], pieces[2::2], strict=True))
        party = words.get("NAME") or words.get("BENM") or words.get("ORDP") or ""
        return Information(words.get("EREF", ""), party, words.get("REMI", ""))
    if _NUMBERED.match(joined):
        pieces = _SUBFIELD.split(joined)
        subfields = dict(zip(pieces[1::2], pieces[2::2], strict=True))
        text = "".join(subfields.get(f"{number}", "") for number in range(20, 30))
        reference = _NUMBERED_REFERENCE.search(text)
        party = subfields.get("32", "") + subfields.get("33", "")
        return Information(reference.group(1) if reference else "", party, text)
    return Information(text=joined)


def write_information(end_to_end: str, party: str, text: str) -> list[str]:
    """The lines of field 86 with code words, or none when there is nothing to say."""
    said = "".join(
        f"/{word}/{value}" for word, value in (("EREF", end_to_end), ("NAME", party), ("REMI", text)) if value
    )
    if not said:
        return []
    said = said[: LINE_LENGTH * LINES_MAX]
    lines = []
    while said:
        length = LINE_LENGTH
        # A continuation that begins with ":" or "-" would read as the next field or the end.
        while length > 1 and said[length : length + 1] in (":", "-"):
            length -= 1
        lines.append(said[:length])
        said = said[length:]
    return [f":86:{lines[0]}", *lines[1:]]
