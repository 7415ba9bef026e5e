"""Terminology: code systems, value sets and concept maps, and what can be asked about codes.

    terminology = Terminologies(database).of(tenant)
    terminology.member(value_set_url, system, code)      yes, no, or None: it cannot be known
    terminology.codes(value_set_url, unit=unit)          for a search by :in
    terminology.related(system, code, above=False)       for :below and :above

Small systems are FHIR resources; large ones (`importing`) live in indexed tables; FHIR's own come with the package.
"""

from kiungo.fhir.terminology.service import Expansion, Terminologies, Terminology, Validated

__all__ = ["Expansion", "Terminologies", "Terminology", "Validated"]
