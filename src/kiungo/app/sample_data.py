"""What `dev` and `demo` start with: the payor's synthetic plans and members, and one key for each role."""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kiungo.app import roles
from kiungo.app.sample_payees import load_payees
from kiungo.app.system import System
from kiungo.domains.payor import sample
from kiungo.domains.vems.loading import load_sample as load_bookings
from kiungo.domains.vems.sample import FACILITY as SAMPLE_FACILITY
from kiungo.domains.vems.sample import VENDOR as SAMPLE_VENDOR
from kiungo.kernel import json
from kiungo.kernel.auth import system_call
from kiungo.kernel.auth.keys import KEY_PREFIX, create_key
from kiungo.kernel.config import Settings
from kiungo.kernel.database import Unit

TENANT = 1
KEYS_FILE = "dev-keys.json"
GUIDE_KEYS = ("your-api-key", "your-provider-api-key")
"""The keys the provider guide's sample clients are written with; they open PROV-001, and never in `serve`."""

PROVIDER = {"provider": "PROV-001"}
HOSPITAL_ID = "PROV-004"
HOSPITAL = f"hospital {HOSPITAL_ID}"
"""The key of the hospital that is both a provider of the payor and a facility with bookings."""
FACILITY_KEY = f"facility {SAMPLE_FACILITY.fr_code}"


@dataclass(frozen=True, slots=True)
class SampleKey:
    """A key `dev` prints: whose it is, what it may do, and what it is bound to."""

    name: str
    role: str | None
    scopes: tuple[str, ...] = ()
    bindings: Mapping[str, str] | None = None


ADMIN = SampleKey("admin", roles.kernel.ADMINISTRATOR.name)
KEYS = (
    ADMIN,
    SampleKey("provider PROV-001", roles.payor.PROVIDER.name, bindings=PROVIDER),
    SampleKey(HOSPITAL, roles.payor.PROVIDER.name, bindings={"provider": HOSPITAL_ID}),
    SampleKey(FACILITY_KEY, roles.vems.FACILITY.name, bindings={"facility": SAMPLE_FACILITY.fr_code}),
    SampleKey("contract manager", roles.vems.CONTRACT_MANAGER.name),
    SampleKey("booking supervisor", roles.vems.BOOKING_SUPERVISOR.name),
    SampleKey("second booking supervisor", roles.vems.BOOKING_SUPERVISOR.name),
    SampleKey("settlement officer", roles.vems.SETTLEMENT_OFFICER.name),
    SampleKey("second settlement officer", roles.vems.SETTLEMENT_OFFICER.name),
    SampleKey("treasurer", roles.vems.TREASURER.name),
    SampleKey("payee manager", roles.vems.PAYEE_MANAGER.name),
    SampleKey("second payee manager", roles.vems.PAYEE_MANAGER.name),
    SampleKey(f"vendor {SAMPLE_VENDOR.code}", roles.vems.PAYEE.name, bindings={"payee": SAMPLE_VENDOR.code}),
    SampleKey("reviewer", roles.payor.REVIEWER.name),
    SampleKey("second reviewer", roles.payor.REVIEWER.name),
    SampleKey("plan manager", roles.payor.PLAN_MANAGER.name),
    SampleKey("cashier", roles.payor.CASHIER.name),
    SampleKey("auditor", roles.kernel.AUDITOR.name),
    SampleKey("operator", roles.kernel.OPERATOR.name),
    SampleKey("FHIR client", None, scopes=("system/*.cruds",)),
)


def load_sample_data(system: System) -> Mapping[str, str]:
    """Write the sample data and keys, again without harm; returns each key by its name."""
    if system.settings.mode == "serve":
        raise AssertionError("sample data and well-known keys never go into an installation that serves")
    texts = key_texts(system.settings)
    call = system_call(TENANT, name="sample")

    def work(unit: Unit) -> None:
        sample.load(system.registers, unit, call)
        load_bookings(system.vems.contracts, unit, call)
        load_payees(system.money.settlements, unit)
        for key in KEYS:
            create_key(
                unit,
                call,
                name=key.name,
                roles=(key.role,) if key.role else (),
                scopes=key.scopes,
                bindings=key.bindings,
                secret=texts[key.name],
            )
        for text in GUIDE_KEYS:
            create_key(
                unit,
                call,
                name="the provider guide's sample",
                roles=(roles.payor.PROVIDER.name,),
                bindings=PROVIDER,
                secret=text,
            )

    system.database.write(work)
    return texts


def key_texts(settings: Settings) -> dict[str, str]:
    """The key of each name: kept in the data folder, readable by its owner alone; the setting wins for the admin."""
    path = settings.data_dir / KEYS_FILE
    known: dict[str, str] = json.loads(path.read_bytes()) if path.exists() else {}
    texts = {key.name: known.get(key.name) or f"{KEY_PREFIX}{secrets.token_urlsafe(24)}" for key in KEYS}
    if texts != known:
        _write_private(path, json.dumps_pretty(texts))
    if settings.dev_api_key is not None:
        texts[ADMIN.name] = settings.dev_api_key.get_secret_value()
    return texts


def _write_private(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".partial")
    aside.unlink(missing_ok=True)
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    aside.replace(path)
