"""Where things are at the vendor, by version of its pages: they differ, so nothing of this stands in code elsewhere."""

from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Profile:
    """Paths of one version."""

    token: str
    client: str
    facility: str
    facilities: str
    eligibility: str


PROFILES = MappingProxyType(
    {
        "2025": Profile(
            token="/v1/hie-auth",  # noqa: S106 - a path
            client="/v3/client-registry/fetch-client",
            facility="/v1/facility-search",
            facilities="/v1/facility-search",
            eligibility="/v2/eligibility",
        ),
        "2025-facility-v2": Profile(
            token="/v1/hie-auth",  # noqa: S106 - a path
            client="/v3/client-registry/fetch-client",
            facility="/v2/facility-search",
            facilities="/v2/facility-search",
            eligibility="/v2/eligibility",
        ),
    }
)
