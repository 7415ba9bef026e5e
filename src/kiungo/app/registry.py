"""Which outside systems are connected: each connector whose variables are set, and nothing that is not."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from typing import Any, Final

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from kiungo.app.unconnected import NoRegistry
from kiungo.base.errors import Detail, Incorrect
from kiungo.connectors.afyalink.connector import open_registry
from kiungo.connectors.afyalink.settings import AfyaLinkSettings
from kiungo.connectors.bank_eft.client import Folder
from kiungo.connectors.bank_eft.connector import BankRail, open_folder
from kiungo.connectors.bank_eft.settings import BankSettings
from kiungo.connectors.hcms.connector import open_payer as open_hcms
from kiungo.connectors.hcms.settings import HcmsSettings
from kiungo.connectors.mpesa.client import DarajaClient
from kiungo.connectors.mpesa.connector import MpesaRail
from kiungo.connectors.mpesa.settings import MpesaSettings
from kiungo.connectors.sha.connector import open_payer as open_sha
from kiungo.connectors.sha.settings import ShaSettings
from kiungo.connectors.sms.connector import SmsMessenger
from kiungo.connectors.sms.settings import SmsSettings
from kiungo.connectors.smtp.connector import SmtpMessenger
from kiungo.connectors.smtp.settings import SmtpSettings
from kiungo.domains.vems.rules.following import SubmitOn
from kiungo.domains.vems.settlement.model import PaysOn
from kiungo.kernel.clients import EgressPolicy, Outbound, make_client
from kiungo.kernel.config import SETTINGS_WRONG
from kiungo.kernel.database import Database
from kiungo.kernel.secrets import Keyring
from kiungo.kernel.tokens import TokenKeeper
from kiungo.ports.messaging import Channel, Messenger
from kiungo.ports.payer import Payer
from kiungo.ports.payment import Rail
from kiungo.ports.registry import Registry

TENANT = 1
MPESA: Final = "mpesa"
BANK: Final = "bank"


class FollowSettings(BaseSettings):
    """How claims of bookings are followed at their payers, or submitted to them. Units: as the names say."""

    model_config = SettingsConfigDict(env_prefix="KIUNGO_FOLLOW_", env_ignore_empty=True, extra="forbid", frozen=True)

    payer: str | None = Field(None, description="Who decides claims of mode sha: hcms or sha; unset: who is connected.")
    insurer: str | None = Field(
        None,
        description="Who decides claims of mode other_insurances: hcms or sha; unset: a supervisor, by hand.",
    )
    interval_s: float = Field(900.0, gt=0, description="How often a payer is asked about an open claim, seconds.")
    tick_s: float = Field(15.0, gt=0, description="How often due claims are looked for, seconds.")
    backoff_s_max: float = Field(21_600.0, gt=0, description="Longest pause after failures, seconds.")
    deadline_days: int = Field(120, ge=1, description="After how long without a decision a person must look, days.")
    submit_on: SubmitOn = Field(
        "completed",
        description="When we submit the claim of a booking with a diagnosis: at confirmed, at completed, or never.",
    )


class SettleSettings(BaseSettings):
    """When bookings' money goes out. Payment modes that nobody pays out before it came in are not concerned."""

    model_config = SettingsConfigDict(env_prefix="KIUNGO_SETTLE_", env_ignore_empty=True, extra="forbid", frozen=True)

    on: PaysOn = Field(
        "approval",
        description="When bookings of mode sha are paid out: at the payer's approval, from our own funded accounts,"
        " or at the payer's remittance.",
    )
    alone_max: Decimal = Field(
        Decimal("0.00"),
        ge=0,
        decimal_places=2,
        max_digits=14,
        description="The most that one person may decide by overriding a booking, KES; beyond it a colleague confirms.",
    )


@dataclass(frozen=True, slots=True)
class ConnectorSettings:
    """The settings of each connector; None where it is not connected."""

    afyalink: AfyaLinkSettings | None = None
    hcms: HcmsSettings | None = None
    sha: ShaSettings | None = None
    mpesa: MpesaSettings | None = None
    bank: BankSettings | None = None
    sms: SmsSettings | None = None
    smtp: SmtpSettings | None = None
    follow: FollowSettings = field(default_factory=FollowSettings)
    settle: SettleSettings = field(default_factory=SettleSettings)

    def over(self, others: "ConnectorSettings") -> "ConnectorSettings":
        """These settings where they are given, the others' elsewhere."""
        given = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) is not None}
        for name in ("follow", "settle"):
            if not _names(CLASSES[name]):
                del given[name]
        return replace(others, **given)


CLASSES: Final[Mapping[str, type[BaseSettings]]] = {
    "afyalink": AfyaLinkSettings,
    "hcms": HcmsSettings,
    "sha": ShaSettings,
    "mpesa": MpesaSettings,
    "bank": BankSettings,
    "sms": SmsSettings,
    "smtp": SmtpSettings,
    "follow": FollowSettings,
    "settle": SettleSettings,
}


def connector_settings() -> ConnectorSettings:
    """The connectors of the environment: one variable of a connector connects it, and then it needs all its others.

    Raises: Incorrect SETTINGS_WRONG, with one detail for each variable that is missing, wrong or unknown.
    """
    found: dict[str, Any] = {}
    problems: list[Detail] = []
    for name, kind in CLASSES.items():
        given = _names(kind)
        prefix = str(kind.model_config["env_prefix"])
        known = {prefix + one.upper() for one in kind.model_fields}
        problems += [Detail(one, "is not a setting", "unknown") for one in given if one not in known]
        if not given:
            continue
        try:
            found[name] = kind()
        except ValidationError as error:
            for problem in error.errors(include_input=False, include_url=False):
                where = prefix + (str(problem["loc"][0]).upper() if problem["loc"] else "...")
                problems.append(Detail(where, f"is wrong: {problem['msg'].lower()}", str(problem["type"])))
        except SettingsError:
            problems.append(Detail(prefix + "...", "is not JSON", "wrong"))
    if problems:
        raise Incorrect(
            SETTINGS_WRONG,
            "The settings are not right: " + "; ".join(f"{p.field} {p.message}" for p in problems),
            field=problems[0].field,
            hint="Correct these variables; docs/reference/settings.md lists them all",
            details=tuple(problems),
        )
    return ConnectorSettings(**found)


@dataclass(frozen=True, slots=True)
class Connected:
    """The outside as the domains see it: ports by the names they are registered under."""

    settings: ConnectorSettings
    registry: Registry
    payers: Mapping[str, Payer]
    payer_of_mode: Mapping[str, str]
    rails: Mapping[str, Rail]
    messengers: Mapping[Channel, Messenger]
    bank_folder: Folder | None
    closing: Sequence[Callable[[], None]] = ()

    def close(self) -> None:
        """Let every kept connection to the outside go."""
        for close in self.closing:
            close()


def connect(settings: ConnectorSettings, database: Database, keyring: Keyring, egress: EgressPolicy) -> Connected:
    """Open every connector that has settings; nothing is asked of anybody yet. Raises: Incorrect SETTINGS_WRONG."""
    closing: list[Callable[[], None]] = []
    payers: dict[str, Payer] = {}
    if settings.hcms:
        hcms = payers["hcms"] = open_hcms(settings.hcms, egress)
        closing.append(hcms.close)
    if settings.sha:
        sha = payers["sha"] = open_sha(settings.sha, egress, database.clock)
        closing.append(sha.close)
    rails: dict[str, Rail] = {}
    if settings.mpesa:
        http = make_client(Outbound(name=MPESA, egress=egress))
        closing.append(http.close)
        client = DarajaClient(http, settings.mpesa, TokenKeeper(database, keyring, TENANT, MPESA))
        rails[MPESA] = MpesaRail(client, settings.mpesa, tenant=TENANT)
    folder = open_folder(settings.bank) if settings.bank else None
    if settings.bank and folder:
        rails[BANK] = BankRail(folder, settings.bank, database.clock)
        closing.append(folder.close)
    messengers: dict[Channel, Messenger] = {}
    if settings.sms:
        http = make_client(Outbound(name="sms", egress=egress))
        closing.append(http.close)
        messengers["sms"] = SmsMessenger(http, settings.sms)
    if settings.smtp:
        mail = messengers["email"] = SmtpMessenger(settings.smtp, database.clock)
        closing.append(mail.close)
    registry: Registry = NoRegistry()
    if settings.afyalink:
        afyalink = registry = open_registry(settings.afyalink, egress)
        closing.append(afyalink.close)
    return Connected(
        settings=settings,
        registry=registry,
        payers=payers,
        payer_of_mode=_payer_of_mode(settings.follow, payers),
        rails=rails,
        messengers=messengers,
        bank_folder=folder,
        closing=tuple(closing),
    )


def _payer_of_mode(follow: FollowSettings, payers: Mapping[str, Payer]) -> Mapping[str, str]:
    chosen = {
        "sha": ("KIUNGO_FOLLOW_PAYER", follow.payer or next(iter(payers), None)),
        "other_insurances": ("KIUNGO_FOLLOW_INSURER", follow.insurer),
    }
    for variable, name in chosen.values():
        if name is not None and name not in payers:
            raise Incorrect(
                SETTINGS_WRONG,
                f"{variable} names {name[:40]!r}, which is not connected",
                field=variable,
                hint="Set that payer's own variables, or name one of: " + (", ".join(payers) or "none is connected"),
            )
    return {mode: name for mode, (_, name) in chosen.items() if name is not None}


def _names(kind: type[BaseSettings]) -> list[str]:
    prefix = str(kind.model_config["env_prefix"])
    return sorted(name for name in os.environ if name.startswith(prefix))
