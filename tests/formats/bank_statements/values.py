"""Hypothesis strategies for the values behind bank formats."""

from datetime import date

from hypothesis import strategies as st

from kiungo.base.money import Money
from kiungo.formats.bank_statements.model import (
    Entry,
    FileAnswer,
    Part,
    PaymentFile,
    Statement,
    Transfer,
    TransferAnswer,
)

DAYS = st.dates(date(2024, 1, 1), date(2029, 12, 28))
REFERENCES = st.text("ABCDEFGHJKMNPQRSTVWXYZ0123456789", min_size=1, max_size=13)
AMOUNTS = st.integers(1, 10**13).map(lambda minor: Money(minor, "KES"))
# What an XML text may hold: no control characters, and no blanks at the ends.
XML_TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), max_size=60)
SWIFT_TEXTS = (
    st.text("ABCXYZabcxyz0123456789 :-.,'()", max_size=150).map(str.strip).filter(lambda text: "  " not in text)
)


def statements(texts: st.SearchStrategy[str], *, single_parts: bool) -> st.SearchStrategy[Statement]:
    """Statements that add up; texts and the number of parts are what the format can hold."""

    @st.composite
    def build(draw: st.DrawFn) -> Statement:
        opening_on = draw(DAYS)
        entries = tuple(draw(st.lists(entry(texts, opening_on, single_parts), max_size=6)))
        opening = Money(draw(st.integers(-(10**13), 10**13)), "KES")
        closing = opening
        for booked in entries:
            closing = closing + booked.signed
        return Statement(
            "0110001234", draw(REFERENCES), draw(st.integers(0, 999)), opening, opening_on, closing, opening_on, entries
        )

    return build()


@st.composite
def entry(draw: st.DrawFn, texts: st.SearchStrategy[str], day: date, single: bool) -> Entry:
    count = 1 if single else draw(st.integers(1, 4))
    parts = tuple(
        Part(draw(AMOUNTS), draw(REFERENCES | st.just("")), draw(texts).strip()[:30].strip(), draw(texts))
        for _ in range(count)
    )
    total = Money(sum(part.amount.minor for part in parts), "KES")
    return Entry(
        booked_on=day,
        value_on=day,
        amount=total,
        direction=draw(st.sampled_from(("credit", "debit"))),
        reference=draw(REFERENCES | st.just("")),
        code=draw(st.sampled_from(("NTRF", "NMSC", "S103"))),
        is_reversal=draw(st.booleans()),
        parts=parts,
    )


@st.composite
def payment_files(draw: st.DrawFn) -> PaymentFile:
    references = draw(st.lists(REFERENCES, min_size=1, max_size=8, unique=True))
    return PaymentFile(
        message_id=draw(REFERENCES),
        made_at_us=draw(st.integers(1_700_000_000, 1_900_000_000)) * 1_000_000,
        execute_on=draw(DAYS),
        debtor_name="Kiungo VEMS",
        debtor_account="0110001234",
        debtor_bank_code="01",
        transfers=tuple(
            Transfer(
                reference,
                draw(AMOUNTS),
                draw(XML_TEXTS.filter(bool)),
                draw(st.text("0123456789", min_size=6, max_size=14)),
                draw(st.sampled_from(("01", "11", "68"))),
                draw(st.sampled_from(("001", "220"))),
                draw(XML_TEXTS),
            )
            for reference in references
        ),
    )


STATUSES = st.sampled_from(("received", "accepted", "booked", "rejected", "pending"))
FILE_ANSWERS = st.builds(
    FileAnswer,
    message_id=REFERENCES,
    original_message_id=REFERENCES,
    status=STATUSES,
    reason=XML_TEXTS,
    transfers=st.lists(
        st.builds(
            TransferAnswer, end_to_end=REFERENCES, status=STATUSES, reason_code=REFERENCES | st.just(""),
            reason=XML_TEXTS,
        ),
        max_size=5,
    ).map(tuple),
)  # fmt: skip
