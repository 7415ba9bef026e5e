"""A simulated bank: takes payment files from a folder, answers them, pays, returns, and writes statements.

rejected        a transfer is refused in the answer        lost_answer       no answer file is written
returned        paid, and sent back the next day           duplicate_answer  the answer comes twice
file_rejected   the whole file is refused                  late_statement    a day without a statement
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta, timezone
from typing import Literal, Protocol

from kiungo.base.time import Clock, from_us
from kiungo.formats.bank_statements import xml
from kiungo.kernel.sandbox import Faults

NAIROBI = timezone(timedelta(hours=3))


class BankBox(Protocol):
    """The folder as the bank sees it."""

    def put(self, box: str, name: str, body: bytes) -> object: ...

    def names(self, box: str) -> list[str]: ...

    def read(self, box: str, name: str) -> bytes: ...

    def archive(self, box: str, name: str) -> None: ...


@dataclass(slots=True)
class Booking:
    """A line on the account. Units: minor; negative went out."""

    reference: str
    day: date
    minor: int
    end_to_end: str
    party: str
    text: str


@dataclass(slots=True)
class BankTwin:
    """One account at the bank. `payments` is the truth tests compare with: reference to minor units, newest last."""

    clock: Clock
    faults: Faults
    folder: BankBox
    account: str = "0110001234"
    currency: str = "KES"
    balance_minor: int = 1_000_000_000
    statement_format: Literal["camt053", "mt940"] = "camt053"
    payments: list[tuple[str, int]] = field(default_factory=list)
    returns: list[tuple[str, int]] = field(default_factory=list)
    closed_accounts: set[str] = field(default_factory=set)
    _booked: list[Booking] = field(default_factory=list)
    _returns_due: list[tuple[date, Booking]] = field(default_factory=list)
    _statement_opening: int = field(init=False)
    _count: int = 0

    def __post_init__(self) -> None:
        self._statement_opening = self.balance_minor

    def step(self) -> None:
        """Work through what has come, and send back what is due to be."""
        for name in self.folder.names("out"):
            body = self.folder.read("out", name)
            self.folder.archive("out", name)
            self._take(body)
        today = self._today()
        for due in [due for due in self._returns_due if due[0] <= today]:
            self._returns_due.remove(due)
            self.returns.append((due[1].end_to_end, due[1].minor))
            self._book(due[1].minor, due[1].end_to_end, due[1].party, "RETURN " + due[1].text)

    def _today(self) -> date:
        """The bank's own day."""
        return from_us(self.clock.now_us()).astimezone(NAIROBI).date()

    def deposit(self, minor: int, text: str = "deposit") -> None:
        """Money comes in."""
        self._book(minor, "", "Owner", text)

    def is_quiet(self) -> bool:
        """Whether nothing is left to return, or to put on a statement."""
        return not self._booked and not self._returns_due

    def end_day(self) -> None:
        """Write the statement of what was booked since the last one, unless the bank is late with it."""
        if self.faults.strikes("late_statement") or not self._booked:
            return
        self._count += 1
        opening = self._statement_opening
        closing = opening + sum(booking.minor for booking in self._booked)
        today = self._today()
        write = self._camt if self.statement_format == "camt053" else self._mt940
        body = write(f"{self._count:06d}", opening, closing, today, self._booked)
        self.folder.put("in", f"STM-{self._count:06d}.{'xml' if body.startswith('<') else 'sta'}", body.encode())
        self._statement_opening, self._booked = closing, []

    def _take(self, body: bytes) -> None:
        message = xml.parse(body, "payment")
        file_id = message.value("CstmrCdtTrfInitn/GrpHdr/MsgId")
        transfers = list(message.all("CstmrCdtTrfInitn/PmtInf/CdtTrfTxInf"))
        refused_file = self.faults.strikes("file_rejected")
        results: dict[str, str] = {}
        for transfer in [] if refused_file else transfers:
            end_to_end = transfer.value("PmtId/EndToEndId")
            whole, _, cents = transfer.value("Amt/InstdAmt").partition(".")
            minor = int(whole) * 100 + int(cents.ljust(2, "0"))
            account, party = transfer.value("CdtrAcct/Id/Othr/Id"), transfer.value("Cdtr/Nm")
            results[end_to_end] = self._pay(end_to_end, minor, account, party)
        if not self.faults.strikes("lost_answer"):
            answer = self._answer(file_id, "RJCT" if refused_file else "ACCP", results)
            self._send_answer(file_id, answer)
            if self.faults.strikes("duplicate_answer"):
                self._send_answer(file_id, answer)

    def _pay(self, end_to_end: str, minor: int, account: str, party: str) -> str:
        if account in self.closed_accounts or self.faults.strikes("rejected"):
            return "AC04"
        if minor > self.balance_minor:
            return "AM04"
        self.payments.append((end_to_end, minor))
        self._book(-minor, end_to_end, party, f"EFT {account}")
        if self.faults.strikes("returned"):
            tomorrow = date.fromordinal(self._today().toordinal() + 1)
            back = Booking("", tomorrow, minor, end_to_end, party, "ACCOUNT CLOSED")
            self._returns_due.append((tomorrow, back))
        return ""

    def _book(self, minor: int, end_to_end: str, party: str, text: str) -> None:
        self.balance_minor += minor
        self._count += 1
        day = self._today()
        self._booked.append(Booking(f"FT{day:%y%j}{self._count:07d}", day, minor, end_to_end, party, text))

    def _send_answer(self, file_id: str, body: str) -> None:
        self._count += 1
        self.folder.put("in", f"ACK-{file_id}-{self._count:06d}.xml", body.encode())

    def _answer(self, file_id: str, group: str, results: Mapping[str, str]) -> str:
        transactions = "".join(
            f"<TxInfAndSts><OrgnlEndToEndId>{reference}</OrgnlEndToEndId>"
            f"<TxSts>{'RJCT' if code else 'ACSP'}</TxSts>"
            + (f"<StsRsnInf><Rsn><Cd>{code}</Cd></Rsn></StsRsnInf>" if code else "")
            + "</TxInfAndSts>"
            for reference, code in results.items()
        )
        details = f"<OrgnlPmtInfAndSts>{transactions}</OrgnlPmtInfAndSts>" if transactions else ""
        return (
            '<?xml version="1.0"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.03"><CstmrPmtStsRpt>'
            f"<GrpHdr><MsgId>A{file_id}</MsgId></GrpHdr><OrgnlGrpInfAndSts><OrgnlMsgId>{file_id}</OrgnlMsgId>"
            f"<GrpSts>{group}</GrpSts></OrgnlGrpInfAndSts>{details}</CstmrPmtStsRpt></Document>"
        )

    def _camt(self, number: str, opening: int, closing: int, today: date, bookings: list[Booking]) -> str:
        def balance(code: str, minor: int) -> str:
            sign = "CRDT" if minor >= 0 else "DBIT"
            return (
                f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>{self._amount(minor)}"
                f"<CdtDbtInd>{sign}</CdtDbtInd><Dt><Dt>{today}</Dt></Dt></Bal>"
            )

        entries = "".join(
            f"<Ntry>{self._amount(booking.minor)}<CdtDbtInd>{'CRDT' if booking.minor > 0 else 'DBIT'}</CdtDbtInd>"
            f"<Sts>BOOK</Sts><BookgDt><Dt>{booking.day}</Dt></BookgDt><ValDt><Dt>{booking.day}</Dt></ValDt>"
            f"<AcctSvcrRef>{booking.reference}</AcctSvcrRef><NtryDtls><TxDtls><Refs><EndToEndId>"
            f"{booking.end_to_end or 'NOTPROVIDED'}</EndToEndId></Refs>{self._amount(booking.minor)}"
            f"<RmtInf><Ustrd>{booking.text}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>"
            for booking in bookings
        )
        return (
            '<?xml version="1.0"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"><BkToCstmrStmt>'
            f"<GrpHdr><MsgId>{number}</MsgId></GrpHdr><Stmt><Id>S{number}</Id><Acct><Id><Othr><Id>{self.account}</Id>"
            f"</Othr></Id></Acct>{balance('OPBD', opening)}{balance('CLBD', closing)}{entries}</Stmt></BkToCstmrStmt>"
            "</Document>"
        )

    def _mt940(self, number: str, opening: int, closing: int, today: date, bookings: list[Booking]) -> str:
        def text(minor: int) -> str:
            return f"{abs(minor) // 100},{abs(minor) % 100:02d}"

        def balance(minor: int) -> str:
            return f"{'C' if minor >= 0 else 'D'}{today:%y%m%d}{self.currency}{text(minor)}"

        lines = [f":20:S{number}", f":25:{self.account}", ":28C:1/1", f":60F:{balance(opening)}"]
        for booking in bookings:
            sign = "C" if booking.minor > 0 else "D"
            ours = booking.end_to_end or "NONREF"
            lines.append(
                f":61:{booking.day:%y%m%d}{booking.day:%m%d}{sign}{text(booking.minor)}NTRF{ours}//{booking.reference}"
            )
            lines.append(f":86:{booking.text}")
        lines += [f":62F:{balance(closing)}", "-"]
        return "\r\n".join(lines) + "\r\n"

    def _amount(self, minor: int) -> str:
        return f'<Amt Ccy="{self.currency}">{abs(minor) // 100}.{abs(minor) % 100:02d}</Amt>'
