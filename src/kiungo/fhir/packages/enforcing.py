"""Writes that must meet profiles: judged before the unit of work, refused with every problem as a detail.

A tenant without a rule for the type pays one look-up.
"""

from typing import TYPE_CHECKING

from kiungo.base.errors import Detail, Incorrect, KiungoError, define
from kiungo.fhir.model import Prepared
from kiungo.fhir.packages.sources import Libraries
from kiungo.fhir.profiles.validator import Validator

if TYPE_CHECKING:
    from kiungo.fhir.interactions.bundle_parts import Work

PROFILE_UNMET = define(
    "PROFILE_UNMET", Incorrect, "A resource does not meet a profile that this tenant's writes must meet.", http=422
)
DETAILS_MAX = 50


def conform(libraries: Libraries, tenant: int, prepared: Prepared) -> None:
    """Refuse a resource that does not meet the profiles for its type. Raises: Incorrect PROFILE_UNMET."""
    wanted = libraries.policy_of(tenant).get(prepared.type)
    if not wanted:
        return
    report = Validator(libraries.of(tenant)).check(prepared.tree, wanted)
    if report.is_valid:
        return
    details = tuple(Detail(one.location, one.message, one.code) for one in report.errors[:DETAILS_MAX])
    raise Incorrect(
        PROFILE_UNMET,
        details[0].message if len(details) == 1 else f"The {prepared.type} has {len(details)} problems",
        field=details[0].field,
        hint="See $validate for all of them, or change the rule for this type",
        details=details,
    )


def conform_entries(libraries: Libraries, tenant: int, work: "Work") -> None:
    """The same for a Bundle: a transaction is refused, an entry of a batch fails by itself."""
    if not libraries.policy_of(tenant):
        return
    for entry in work.entries:
        if entry.prepared is None:
            continue
        try:
            conform(libraries, tenant, entry.prepared)
        except KiungoError as error:
            if work.kind == "transaction":
                raise
            work.failures.setdefault(entry.position, error)
