"""A bank account as a payment rail: orders are collected into files, and everything else comes back as files."""

from collections.abc import Mapping
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from kiungo.base.errors import Incorrect, Unavailable
from kiungo.base.time import Clock
from kiungo.connectors.bank_eft import mapping
from kiungo.connectors.bank_eft.client import Folder, LocalFolder
from kiungo.connectors.bank_eft.settings import BankSettings
from kiungo.formats.bank_statements import csv_profile, pain001, pain002
from kiungo.formats.bank_statements.csv_profile import Profile
from kiungo.ports.payment import AccountStatement, Answer, Batch, Capabilities, Notice, Order

if TYPE_CHECKING:
    from kiungo.connectors.bank_eft.sftp import SftpFolder

PAIN001 = "pain001"


class BankRail:
    """The rail of one account. `rail` is the name it is registered by."""

    def __init__(self, folder: Folder, settings: BankSettings, clock: Clock, *, rail: str = "bank") -> None:
        self._folder = folder
        self._settings = settings
        self._clock = clock
        self._profile = None if settings.profile == PAIN001 else load_profile(settings.profile)
        self._capabilities = Capabilities(
            rail=rail,
            currency=settings.currency,
            destinations=frozenset({"bank_account"}),
            amount_max_minor=settings.amount_minor_max,
            batch_max=settings.batch_max,
            batch_wait_s=settings.batch_wait_s,
            silence_s=settings.silence_s,
        )

    @property
    def capabilities(self) -> Capabilities:
        """Bank accounts, many orders in a file."""
        return self._capabilities

    def submit(self, batch: Batch) -> Mapping[str, Answer]:
        """Put one file with the orders there. An order the bank would refuse is left out, and failed."""
        everything = mapping.payment_file(batch, batch.orders, self._settings, self._clock.now_us())
        problems = {order.reference: mapping.problem_of(order, everything) for order in batch.orders}
        answers = {
            reference: Answer("failed", problem, "request") for reference, problem in problems.items() if problem
        }
        good = tuple(order for order in batch.orders if not problems[order.reference])
        if good:
            outcome = self._put(batch, good)
            answers.update((order.reference, outcome) for order in good)
        return answers

    def query(self, order: Order, rail_ids: Mapping[str, str]) -> Answer:
        """A bank answers by file alone; where our file still lies is all there is to say."""
        batch = rail_ids.get("batch", "")
        try:
            waiting = any(name.rpartition(".")[0] == batch for name in self._folder.names("out"))
        except (OSError, Unavailable):
            return Answer("unknown", "the folder shared with the bank cannot be read now")
        where = "the bank has not taken the file yet" if waiting else "the bank has the file"
        return Answer("unknown", f"{where}; its answer or the statement will tell about {order.reference}")

    def read_statements(self, body: bytes, context: Mapping[str, str]) -> tuple[AccountStatement, ...]:
        """Statements in the configured format. Raises: Incorrect."""
        return mapping.statements(body, self._settings, self._profile)

    def read_notices(self, body: bytes, context: Mapping[str, str]) -> tuple[Notice, ...]:
        """The bank's answer to a file. Raises: Incorrect."""
        if self._profile is None or body.lstrip().startswith(b"<"):
            return mapping.notices(pain002.parse(body))
        name = context.get("name", "")
        batch = name.rpartition(".")[0].partition("-")[2]
        return mapping.notices(
            csv_profile.parse_answer(body, self._profile, message_id=name, original_message_id=batch)
        )

    def _put(self, batch: Batch, orders: tuple[Order, ...]) -> Answer:
        file = mapping.payment_file(batch, orders, self._settings, self._clock.now_us())
        try:
            if self._profile is None:
                body, extension = pain001.render(file), "xml"
            else:
                body, extension = csv_profile.render_payments(file, self._profile), self._profile.extension
        except Incorrect as refusal:
            return Answer("failed", refusal.message, "request")
        outcome = self._folder.put("out", f"{batch.reference}.{extension}", body)
        ids = {"batch": batch.reference}
        if outcome == "put":
            return Answer("accepted", rail_ids=ids)
        if outcome == "not_put":
            return Answer("not_taken", "the folder cannot be written to", "busy", retry_after_s=60.0)
        return Answer("unknown", f"the file {batch.reference} may be with the bank ({outcome})", rail_ids=ids)


def open_folder(settings: BankSettings) -> "LocalFolder | SftpFolder":
    """The folder shared with the bank, here or on its server; nobody is asked yet. Raises: Incorrect BANK_KEY_WRONG."""
    if not settings.sftp_host:
        return LocalFolder(settings.folder)
    # SSH weighs eight megabytes, which a bank without SFTP does not need.
    opened: SftpFolder = import_module("kiungo.connectors.bank_eft.sftp").SftpFolder(settings)
    return opened


def load_profile(name: str) -> Profile:
    """A CSV profile that comes with the connector, or the operator's own file. Raises: Incorrect BANK_PROFILE_WRONG."""
    own = name.endswith(".toml")
    found = Path(name) if own else files("kiungo.connectors.bank_eft") / "profiles" / f"{name}.toml"
    if (not own and ("/" in name or "\\" in name)) or not found.is_file():
        raise Incorrect(
            csv_profile.BANK_PROFILE_WRONG,
            f"There is no bank profile {name!r}",
            field="KIUNGO_BANK_PROFILE",
            hint="Use pain001, the name of a file in the connector's folder profiles, or the path of a .toml file",
        )
    return csv_profile.read_profile(found.read_text(encoding="utf-8"))
