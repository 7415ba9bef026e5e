"""The profiles that a tenant's writes must meet: for each resource type, beside what a resource claims."""

from typing import TYPE_CHECKING

from kiungo.base.errors import Incorrect, define
from kiungo.fhir.definitions import resource_types

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

POLICY_WRONG = define("POLICY_WRONG", Incorrect, "A rule for writes names no resource type or no profile.", http=422)
PROFILES_MAX = 20
Policy = dict[str, tuple[str, ...]]
"""Resource type to the profiles each of its resources must meet."""


def policy(unit: "Unit", tenant: int) -> Policy:
    """What a tenant's writes must meet; a type that is not there has no rule."""
    found: dict[str, list[str]] = {}
    for row in unit.rows("SELECT type, profile FROM fhir_must_conform WHERE tn = ? ORDER BY type, profile", (tenant,)):
        found.setdefault(row[0], []).append(row[1])
    return {name: tuple(urls) for name, urls in found.items()}


def set_policy(unit: "Unit", tenant: int, type_name: str, profiles: tuple[str, ...]) -> None:
    """Replace the rule of one type; no profiles is no rule. Raises: Incorrect POLICY_WRONG."""
    if type_name not in resource_types():
        raise Incorrect(
            POLICY_WRONG,
            f"{type_name[:60]} is not a resource type of R4",
            field="type",
            hint="Name one, such as Patient",
        )
    if len(profiles) > PROFILES_MAX:
        raise Incorrect(
            POLICY_WRONG, f"More than {PROFILES_MAX} profiles", field="profile", hint="Derive one from them"
        )
    for url in profiles:
        if not url.startswith(("http://", "https://", "urn:")):
            raise Incorrect(
                POLICY_WRONG, f"{url[:100]} is not absolute", field="profile", hint="Write the profile's canonical URL"
            )
    unit.lock(f"fhir policy {tenant} {type_name}")
    unit.execute("DELETE FROM fhir_must_conform WHERE tn = ? AND type = ?", (tenant, type_name))
    unit.many(
        "INSERT INTO fhir_must_conform (tn, type, profile, set_us) VALUES (?, ?, ?, ?)",
        [(tenant, type_name, url, unit.now_us) for url in dict.fromkeys(profiles)],
    )
