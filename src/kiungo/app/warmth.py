"""Made ready before the first request: compiled validators, and a collector that leaves what never dies alone."""

import gc

from kiungo.fhir.prepare import compile_ahead

OFTEN_WRITTEN = ("Claim", "ClaimResponse", "ExplanationOfBenefit", "Patient", "Coverage", "Observation", "Encounter")
YOUNG_OBJECTS = 20_000
MIDDLE_ROUNDS = 20
OLD_ROUNDS = 50


def warm_up() -> None:
    """Compile what is often written, then keep what start-up made out of the garbage collector's sight.

    The R4 definitions are some hundred thousand objects that live as long as the process: walking them at
    every full collection held up requests for tens of milliseconds.
    """
    compile_ahead(OFTEN_WRITTEN)
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, MIDDLE_ROUNDS, OLD_ROUNDS)
