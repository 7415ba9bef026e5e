"""The form of the table's rows, and the helpers its two halves are written with.

Source: ONC, United States Core Data for Interoperability, version 3 (October 2022 errata); HL7 US Core 6.1.0.
"""

from dataclasses import dataclass

US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/"


@dataclass(frozen=True, slots=True)
class DataElement:
    """One USCDI data element and where US Core keeps it.

    Shapes: `group` the data class; `where` a FHIRPath condition that picks the resources of `type` that speak of it
    ("" picks all), `path` the FHIRPath of its value in them; `ages_months` the ages it is expected at, None any;
    `other_profile` a second profile that will do as well.
    """

    group: str
    name: str
    type: str
    profile: str
    path: str
    where: str = ""
    ages_months: tuple[int, int] | None = None
    other_profile: str = ""

    @property
    def profile_urls(self) -> tuple[str, ...]:
        """The addresses of the profiles of which one must be met."""
        return tuple(US_CORE + one for one in (self.profile, self.other_profile) if one)

    @property
    def profile_url(self) -> str:
        """The canonical address of the profile."""
        return US_CORE + self.profile


def category(code: str) -> str:
    """Resources of a category."""
    return f"category.coding.where(code = '{code}').exists()"


def coded(*codes: str) -> str:
    """Resources whose LOINC code is one of these."""
    listed = " or ".join(f"code = '{code}'" for code in codes)
    return f"code.coding.where(system = 'http://loinc.org' and ({listed})).exists()"
