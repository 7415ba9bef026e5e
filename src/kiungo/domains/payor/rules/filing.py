"""Did the claim come in time?"""

from collections.abc import Iterator
from datetime import date

from kiungo.domains.payor.model import Finding
from kiungo.domains.payor.rules.case import Case, Sheet

STEP = "timely_filing"
REASON_LATE = "29"


def check(case: Case, sheet: Sheet) -> Iterator[Finding]:
    """Deny lines older than the plan's filing limit, counted from the service to the day we received it.

    A replacement keeps the place in time of the claims it replaces, for the days of service those claims carried.
    """
    days_most = case.book.plan.filing_days
    if days_most is None:
        return
    for line_sheet in sheet.open_lines():
        line = line_sheet.line
        received = case.carried.get(line.service_date, case.claim.received_on)
        days = (date.fromisoformat(received) - date.fromisoformat(line.service_date)).days
        if days > days_most:
            yield Finding(
                STEP,
                "deny",
                f"Received {days} days after the service; the plan takes claims for {days_most} days",
                line=line.number,
                group="CO",
                reason=REASON_LATE,
                amount=sheet.money(line_sheet.left),
            )
