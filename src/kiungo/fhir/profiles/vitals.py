"""Vital signs by their codes: an observation with one of these codes must meet the profile R4 has for it.

Source: FHIR R4 Observation, Vital Signs profiles.
"""

from typing import Any

from kiungo.fhir.profiles.findings import At, Json
from kiungo.fhir.profiles.items import Item
from kiungo.fhir.profiles.run import Run

LOINC = "http://loinc.org"
BASE = "http://hl7.org/fhir/StructureDefinition/"
PROFILES = {
    "85353-1": "vitalspanel",
    "9279-1": "resprate",
    "8867-4": "heartrate",
    "2708-6": "oxygensat",
    "8310-5": "bodytemp",
    "8302-2": "bodyheight",
    "9843-4": "headcircum",
    "29463-7": "bodyweight",
    "39156-5": "bmi",
    "85354-9": "bp",
}
# SNOMED CT's codes for the same findings; the profile then asks for the LOINC code beside them.
SNOMED_PROFILES = {
    "86290005": "resprate",
    "364075005": "heartrate",
    "431314004": "oxygensat",
    "386725007": "bodytemp",
    "276885007": "bodytemp",
    "1153637007": "bodyheight",
    "363812007": "headcircum",
    "27113001": "bodyweight",
    "60621009": "bmi",
    "75367002": "bp",
}
BY_SYSTEM = {LOINC: PROFILES, "http://snomed.info/sct": SNOMED_PROFILES}


def check_vital_sign(o: Json, at: At, run: Run) -> None:
    """Judge an Observation by the profile its code stands for."""
    code: Any = o.get("code")
    codings = code.get("coding") if code.__class__ is dict else None
    for coding in codings if codings.__class__ is list else ():
        if coding.__class__ is dict:
            name = BY_SYSTEM.get(str(coding.get("system")), {}).get(str(coding.get("code")))
            if name is not None:
                run.library.judge(BASE + name, Item(o, None, "Observation", at), run)
                return
