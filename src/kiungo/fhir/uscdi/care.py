"""Rows about health and care: conditions, results, medicines, notes, vital signs.

Source: USCDI v3, the classes named below; US Core 6.1.0.
"""

from kiungo.fhir.uscdi.elements import DataElement, category, coded

_CODES = "http://www.nlm.nih.gov/research/umls/rxnorm"
_ALLERGY, _PLAN, _NOTES = "Allergies and Intolerances", "Assessment and Plan of Treatment", "Clinical Notes"
_TESTS, _IMAGING, _ENCOUNTER = "Clinical Tests", "Diagnostic Imaging", "Encounter Information"
_GOALS, _STATUS, _LAB = "Goals", "Health Status/Assessments", "Laboratory"
_MEDICINE, _PROBLEM, _PROCEDURE, _VITAL = "Medications", "Problems", "Procedures", "Vital Signs"
_SCREENING = "us-core-observation-screening-assessment"
_CONCERN = "us-core-condition-problems-health-concerns"
_DIAGNOSIS = "us-core-condition-encounter-diagnosis"
_LISTED = ("problem-list-item", "encounter-diagnosis")
_RESULT = "value | component.value | hasMember | dataAbsentReason"


def _allergy(name: str, path: str, where: str = "") -> DataElement:
    return DataElement(_ALLERGY, name, "AllergyIntolerance", "us-core-allergyintolerance", path, where)


def _note(name: str, code: str) -> DataElement:
    where = f"type.coding.where(code = '{code}').exists()"
    path = "content.attachment.where(url.exists() or data.exists())"
    return DataElement(_NOTES, name, "DocumentReference", "us-core-documentreference", path, where)


def _encounter(name: str, path: str) -> DataElement:
    return DataElement(_ENCOUNTER, name, "Encounter", "us-core-encounter", path)


def _assessed(group: str, name: str, code: str) -> DataElement:
    return DataElement(group, name, "Observation", _SCREENING, _RESULT, category(code))


def _lab(name: str, path: str) -> DataElement:
    return DataElement(_LAB, name, "Observation", "us-core-observation-lab", path, category("laboratory"))


def _prescribed(name: str, path: str) -> DataElement:
    return DataElement(_MEDICINE, name, "MedicationRequest", "us-core-medicationrequest", path)


def _problem(name: str, path: str, *codes: str, group: str = _PROBLEM) -> DataElement:
    wanted = " or ".join(category(code) for code in codes or _LISTED)
    return DataElement(group, name, "Condition", _CONCERN, path, wanted, other_profile=_DIAGNOSIS)


def _vital(
    name: str, profile: str, *codes: str, path: str = "value", ages: tuple[int, int] | None = None
) -> DataElement:
    return DataElement(_VITAL, name, "Observation", profile, path, coded(*codes), ages)


def _component(*codes: str) -> str:
    listed = " or ".join(f"code = '{code}'" for code in codes)
    return f"component.where(code.coding.where({listed}).exists()).value"


_MEDICATION_CODES = f"code.coding.where(system = '{_CODES}').exists() or category.where($this = 'medication').exists()"
_CLASS_CODES = "code.coding.where(system = 'http://snomed.info/sct' or system = 'http://hl7.org/fhir/ndfrt').exists()"
_CLINICAL = "category.coding.where(code in ('procedure' | 'exam' | 'therapy' | 'activity' | 'clinical-test')).exists()"
_RADIOLOGY = "category.coding.where(code = 'LP29684-5').exists()"

ROWS: tuple[DataElement, ...] = (
    _allergy("Substance: medication", "code", _MEDICATION_CODES),
    _allergy("Substance: class of drugs", "code", _CLASS_CODES),
    _allergy("Reaction", "reaction.manifestation"),
    DataElement(_PLAN, "Assessment and plan", "CarePlan", "us-core-careplan", "text.`div`", category("assess-plan")),
    _assessed(_PLAN, "Assessment of social determinants", "sdoh"),
    _note("Consultation note", "11488-4"),
    _note("Discharge summary", "18842-5"),
    _note("History and physical", "34117-2"),
    _note("Procedure note", "28570-0"),
    _note("Progress note", "11506-3"),
    DataElement(_TESTS, "Clinical test", "Observation", "us-core-observation-clinical-result", "code", _CLINICAL),
    DataElement(_TESTS, "Result of it", "Observation", "us-core-observation-clinical-result", _RESULT, _CLINICAL),
    DataElement(_IMAGING, "Imaging test", "DiagnosticReport", "us-core-diagnosticreport-note", "code", _RADIOLOGY),
    DataElement(
        _IMAGING,
        "Imaging report",
        "DiagnosticReport",
        "us-core-diagnosticreport-note",
        "presentedForm | conclusion | result",
        _RADIOLOGY,
    ),
    _encounter("Type", "type"),
    _encounter("Diagnosis", "reasonCode | reasonReference | diagnosis"),
    _encounter("Time", "period"),
    _encounter("Location", "location.location | serviceProvider"),
    _encounter("Disposition", "hospitalization.dischargeDisposition"),
    DataElement(_GOALS, "Patient's goals", "Goal", "us-core-goal", "description"),
    DataElement(_GOALS, "Goals for social determinants", "Goal", "us-core-goal", "description", category("sdoh")),
    _problem("Health concerns", "code", "health-concern", group=_STATUS),
    _assessed(_STATUS, "Functional status", "functional-status"),
    _assessed(_STATUS, "Disability status", "disability-status"),
    _assessed(_STATUS, "Mental or cognitive status", "cognitive-status"),
    DataElement(
        _STATUS, "Pregnancy status", "Observation", "us-core-observation-pregnancystatus", "value", coded("82810-3")
    ),
    DataElement(_STATUS, "Smoking status", "Observation", "us-core-smokingstatus", "value", coded("72166-2")),
    DataElement("Immunizations", "Immunizations", "Immunization", "us-core-immunization", "vaccineCode"),
    _lab("Tests", "code"),
    _lab("Values or results", _RESULT),
    _lab("Type of specimen", "specimen.resolve().type | specimen.display"),
    _lab("Status of the result", "status"),
    _prescribed("Medications", "medication"),
    _prescribed("Dose", "dosageInstruction.doseAndRate.dose"),
    _prescribed("Unit of the dose", "dosageInstruction.doseAndRate.dose.ofType(Quantity).select(unit | code)"),
    _prescribed("Indication", "reasonCode | reasonReference"),
    DataElement(_MEDICINE, "Status of filling", "MedicationDispense", "us-core-medicationdispense", "status"),
    _problem("Problems", "code"),
    _problem("Problems of social determinants", "code", "sdoh"),
    _problem(
        "Date of diagnosis",
        "extension('http://hl7.org/fhir/StructureDefinition/condition-assertedDate').value | onset | recordedDate",
    ),
    _problem("Date of resolution", "abatement"),
    DataElement(_PROCEDURE, "Procedures", "Procedure", "us-core-procedure", "code"),
    DataElement(
        _PROCEDURE,
        "Interventions for social determinants",
        "ServiceRequest",
        "us-core-servicerequest",
        "code",
        category("sdoh"),
    ),
    DataElement(
        _PROCEDURE,
        "Reason for referral",
        "ServiceRequest",
        "us-core-servicerequest",
        "reasonCode | reasonReference",
    ),
    DataElement(
        "Unique Device Identifiers",
        "Identifier of implanted devices",
        "Device",
        "us-core-implantable-device",
        "udiCarrier.select(carrierHRF | deviceIdentifier)",
    ),
    _vital("Systolic blood pressure", "us-core-blood-pressure", "85354-9", path=_component("8480-6")),
    _vital("Diastolic blood pressure", "us-core-blood-pressure", "85354-9", path=_component("8462-4")),
    _vital("Heart rate", "us-core-heart-rate", "8867-4"),
    _vital("Respiratory rate", "us-core-respiratory-rate", "9279-1"),
    _vital("Body temperature", "us-core-body-temperature", "8310-5"),
    _vital("Body height", "us-core-body-height", "8302-2"),
    _vital("Body weight", "us-core-body-weight", "29463-7"),
    _vital("Pulse oximetry", "us-core-pulse-oximetry", "59408-5", "2708-6"),
    _vital(
        "Inhaled oxygen concentration",
        "us-core-pulse-oximetry",
        *("59408-5", "2708-6"),
        path=_component("3150-6", "3151-8"),
    ),
    _vital("BMI percentile (2 to 20 years)", "pediatric-bmi-for-age", "59576-9", ages=(24, 240)),
    _vital("Weight for length percentile (to 24 months)", "pediatric-weight-for-height", "77606-2", ages=(0, 24)),
    _vital(
        "Head circumference percentile (to 36 months)",
        "head-occipital-frontal-circumference-percentile",
        "8289-1",
        ages=(0, 36),
    ),
)
