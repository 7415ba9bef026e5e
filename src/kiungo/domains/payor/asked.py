"""What a reviewer wrote and which amounts a reviewer set, read strictly before anything is judged."""

from collections.abc import Mapping

from kiungo.base.errors import Incorrect
from kiungo.base.money import Money
from kiungo.domains.payor import rebuild
from kiungo.domains.payor.errors import VALIDATION_ERROR

NOTE_CHARACTERS_MAX = 2_000


def amounts(on_file: rebuild.OnFile, allowed: Mapping[int, str], total: str | None) -> dict[int, Money]:
    """The allowed amounts a reviewer set, by line. Raises: Incorrect VALIDATION_ERROR."""
    lines = {line.number: line.charge for line in on_file.claim.lines}
    currency = on_file.row.currency
    if total is not None:
        if allowed:
            raise _wrong("allowed_total", "cannot be given together with amounts for lines")
        amount = Money.parse(total, currency, field="allowed_total")
        if not Money.zero(currency) < amount <= on_file.claim.total:
            raise _wrong("allowed_total", f"must be above zero and at most {on_file.claim.total.text()}")
        parts = amount.allocate([charge.minor for charge in lines.values()])
        return dict(zip(lines, parts, strict=True))
    amounts = {}
    for number, text in allowed.items():
        field = f"lines[{number}].allowed"
        if number not in lines:
            raise _wrong(field, "names a line the claim does not have")
        amounts[number] = Money.parse(text, currency, field=field)
        if not Money.zero(currency) <= amounts[number] <= lines[number]:
            raise _wrong(field, f"must be from zero to {lines[number].text()}")
    return amounts


def said_in(text: str, field: str) -> str:
    """What a person wrote, without blanks around it. Raises: Incorrect VALIDATION_ERROR."""
    text = text.strip()
    if not 1 <= len(text) <= NOTE_CHARACTERS_MAX:
        raise _wrong(field, f"must have 1 to {NOTE_CHARACTERS_MAX} characters")
    return text


def _wrong(field: str, problem: str) -> Incorrect:
    return Incorrect(VALIDATION_ERROR, f"{field} {problem}", field=field, hint="Correct it and send it again")
