"""Whatever happens to a family's claims, in any order: totals follow entries, caps hold, voiding leaves nothing."""

import random
from typing import Any

import pytest

from kiungo.base.errors import KiungoError
from tests.domains.payor.conftest import GUIDE, House, person
from tests.domains.payor.test_review import consistent, used

ANN, BEN = person("ann"), person("ben")
SERVICES = (("99213", "110.00"), ("76700", "190.00"), ("97110", "42.00"), ("70551", "620.00"), ("15776", "300.00"))


def submit(house: House, rng: random.Random, number: int) -> str:
    code, amount = rng.choice(SERVICES)
    fields: dict[str, Any] = {
        **GUIDE,
        "insurance_id": rng.choice(("BC-200-001", "BC-200-002", "BC-200-003")),
        "procedure_code": code,
        "amount": amount,
        "date_of_service": None,
        "provider_claim_id": str(number),
        "modifiers": ["76"],
    }
    return house.submit(**fields).claim_id


def act(house: House, rng: random.Random, claim_id: str) -> None:
    """One random thing somebody tries; what is not allowed is refused and changes nothing."""
    person_ = rng.choice((ANN, BEN))
    desk = house.desk
    tries = (
        lambda unit: desk.approve(unit, person_, claim_id),
        lambda unit: desk.approve(unit, person_, claim_id, allowed_total="30.01"),
        lambda unit: desk.reject(unit, person_, claim_id, reason="no"),
        lambda unit: desk.reopen(unit, person_, claim_id, reason="again"),
        lambda unit: desk.request_information(unit, person_, claim_id, question="why?"),
        lambda unit: desk.void(unit, person_, claim_id, reason="gone"),
    )
    try:
        house.write(rng.choice(tries))
    except KiungoError:
        return


@pytest.mark.parametrize("seed", range(4))
def test_any_sequence_keeps_the_books(house: House, seed: int) -> None:
    rng = random.Random(seed)
    ids: list[str] = []
    for number in range(40):
        if not ids or rng.random() < 0.5:
            ids.append(submit(house, rng, number))
        else:
            act(house, rng, rng.choice(ids))
    consistent(house)
    for (member, bucket, _), amount in used(house, "FAM-200").items():
        most = {"deductible": (50_000, 100_000), "out_of_pocket": (200_000, 400_000)}.get(bucket.split(":")[0])
        assert most is None or 0 <= amount <= most[0 if member else 1]
    for claim_id in ids:
        if not house.claim(claim_id)["void"]:
            house.write(lambda unit, claim_id=claim_id: house.desk.void(unit, ANN, claim_id, reason="all"))
    assert used(house, "FAM-200") == {}
    consistent(house)


def test_reversed_and_judged_again_is_the_same_as_fresh(house: House) -> None:
    scan = {**GUIDE, "insurance_id": "BC-200-001", "procedure_code": "76700", "date_of_service": None}
    first = house.submit(**{**scan, "amount": "190.00"}).claim_id
    fresh = used(house, "FAM-200")
    shown = house.claim(first)
    for _ in range(3):
        house.write(lambda unit: house.desk.reopen(unit, ANN, first, reason="again"))
        assert used(house, "FAM-200") == {}
        house.write(lambda unit: house.desk.approve(unit, ANN, first))
        assert used(house, "FAM-200") == fresh
    again = house.claim(first)
    for name in ("expected_payment", "patient_responsibility", "lines", "status"):
        assert again[name] == shown[name]
    consistent(house)
