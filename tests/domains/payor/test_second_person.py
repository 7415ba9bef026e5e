"""Four eyes are two people: a rotated key is its predecessor's, and large payments are not taken back alone."""

import json
from dataclasses import replace
from decimal import Decimal
from random import Random

import pytest

from kiungo.base.errors import Conflict, Forbidden
from kiungo.domains.payor.payments import pay
from kiungo.domains.payor.service import Payor
from kiungo.kernel.auth import Call, system_call
from kiungo.kernel.auth.keys import create_key, root_of, rotate_key
from tests.domains.payor.conftest import GUIDE, House, person
from tests.domains.payor.test_review import cents, consistent, pended

ANN, BEN = person("ann"), person("ben")
OWN = person("own", provider="PROV-001")


def paid_above(house: House, **fields: object) -> str:
    """A claim of 20000.00 that two people approved and that was paid 16000.00."""
    claim_id = pended(house, amount="20000.00", **fields)
    for call in (ANN, BEN):
        house.write(lambda unit, call=call: house.desk.approve(unit, call, claim_id))
    house.write(lambda unit: pay(house.payor, unit, ANN))
    return claim_id


def test_a_rotated_key_is_the_same_person(house: House) -> None:
    call = system_call(1)
    first = house.write(lambda unit: create_key(unit, call, name="Ann", roles=["reviewer"]))[0]
    second = house.write(lambda unit: rotate_key(unit, call, first.id, overlap_s=60))[0]
    third = house.write(lambda unit: rotate_key(unit, call, second.id, overlap_s=60))[0]
    other = house.write(lambda unit: create_key(unit, call, name="Ben", roles=["reviewer"]))[0]
    roots = house.database.read(lambda unit: [root_of(unit, 1, key.id) for key in (first, second, third, other)])
    assert roots == [first.id] * 3 + [other.id]
    assert house.database.read(lambda unit: root_of(unit, 1, "client:nobody")) == "client:nobody"

    claim_id = pended(house, amount="20000.00")
    approve = lambda key: house.write(  # noqa: E731
        lambda unit: house.desk.approve(unit, Call(key.principal(), "r", "o"), claim_id)
    )
    assert approve(first).desk == "second_approval"
    for same in (first, second, third):
        with pytest.raises(Forbidden):
            approve(same)
    assert approve(other).state == "approved"


def test_a_second_approval_is_of_the_same_sum(house: House) -> None:
    """The plan pays more in between, so the same words would now pay more."""
    claim_id = pended(house, amount="20000.00")
    approve = lambda call: house.write(lambda unit: house.desk.approve(unit, call, claim_id))  # noqa: E731
    assert approve(ANN).desk == "second_approval"
    plan = house.database.read(lambda unit: house.payor.openings.snapshot(unit, 1).plans["STANDARD"].plan)
    house.write(lambda unit: house.registers.put_plan(unit, system_call(1), replace(plan, coinsurance_bp=1_000)))
    assert approve(BEN).desk == "second_approval"
    assert approve(ANN).state == "approved"


def test_voiding_a_large_payment_needs_two(house: House) -> None:
    claim_id = paid_above(house)
    void = lambda call: house.write(lambda unit: house.desk.void(unit, call, claim_id, reason="Twice"))  # noqa: E731
    assert void(ANN).desk == "second_approval"
    assert house.claim(claim_id)["void"] is False
    assert cents(house, "payor:expense") == 1_600_000
    with pytest.raises(Forbidden):
        void(ANN)
    assert void(BEN).voided_us is not None
    assert cents(house, "payor:recoverable:PROV-001") == 1_600_000
    consistent(house)


def test_who_asked_to_void_a_large_payment_can_let_it_stand(house: House) -> None:
    claim_id = paid_above(house)
    keep = lambda call: house.write(lambda unit: house.desk.keep(unit, call, claim_id, reason="Mistaken"))  # noqa: E731
    void = lambda call: house.write(lambda unit: house.desk.void(unit, call, claim_id, reason="Twice"))  # noqa: E731
    with pytest.raises(Conflict, match="Nobody asked to void"):
        keep(ANN)
    with pytest.raises(Forbidden):
        keep(OWN)
    void(ANN)
    kept = keep(ANN)
    assert (kept.desk, kept.voided_us) == (None, None)
    with pytest.raises(Conflict, match="Nobody asked to void"):
        keep(BEN)
    assert void(BEN).desk == "second_approval", "the first voice is taken back, so this one is the first again"
    consistent(house)


def test_voiding_what_was_paid_little_or_not_at_all_needs_one(house: House) -> None:
    unpaid = pended(house, amount="20000.00")
    assert house.write(lambda unit: house.desk.void(unit, ANN, unpaid, reason="x")).voided_us is not None
    little = house.submit(**GUIDE).claim_id
    house.write(lambda unit: pay(house.payor, unit, ANN))
    assert house.write(lambda unit: house.desk.void(unit, ANN, little, reason="x")).voided_us is not None


def test_replacing_a_large_payment_waits_for_a_person(house: House) -> None:
    first = paid_above(house)
    answer = house.submit(OWN, **{**GUIDE, "amount": "1250.00", "replaces": first})
    assert json.loads(answer.body)["status"] == "under_review"
    assert house.claim(answer.claim_id)["review_reason"] == "Replaces a paid claim"
    assert (house.claim(first)["void"], cents(house, "payor:expense")) == (False, 1_600_000)
    consistent(house)
    house.write(lambda unit: house.desk.approve(unit, ANN, answer.claim_id))
    assert house.claim(answer.claim_id)["expected_payment"] == Decimal(1000)
    assert house.claim(first)["replaced_by"] == answer.claim_id
    assert cents(house, "payor:recoverable:PROV-001") == 1_600_000
    consistent(house)


def test_a_rejected_replacement_lets_the_paid_claim_stand(house: House) -> None:
    first = paid_above(house)
    second = house.submit(OWN, **{**GUIDE, "amount": "1250.00", "replaces": first}).claim_id
    house.write(lambda unit: house.desk.reject(unit, ANN, second, reason="The first was right"))
    assert (house.claim(first)["void"], house.claim(first)["paid"]) == (False, True)
    consistent(house)


def test_who_sent_the_replacement_does_not_approve_it(house: House) -> None:
    first = paid_above(house)
    second = house.submit(ANN, **{**GUIDE, "amount": "1250.00", "replaces": first}).claim_id
    with pytest.raises(Forbidden):
        house.write(lambda unit: house.desk.approve(unit, ANN, second))
    house.write(lambda unit: house.desk.approve(unit, BEN, second))
    assert house.claim(first)["void"] is True


def test_a_reviewer_decides_about_the_claim_as_it_was_seen(house: House) -> None:
    claim_id = pended(house)
    seen = house.row(claim_id).version
    house.write(lambda unit: house.desk.request_information(unit, BEN, claim_id, question="Which scar?"))
    for late in (
        lambda unit: house.desk.approve(unit, ANN, claim_id, version=seen),
        lambda unit: house.desk.reject(unit, ANN, claim_id, reason="x", version=seen),
    ):
        with pytest.raises(Conflict) as caught:
            house.write(late)
        assert caught.value.code == "CLAIM_CHANGED"
    now = house.row(claim_id).version
    assert house.write(lambda unit: house.desk.approve(unit, ANN, claim_id, version=now)).state == "approved"


class Drawn(Random):
    """Draws the same claim id so many times, then others."""

    repeats = 0

    def choices(self, population, weights=None, *, cum_weights=None, k=1):
        if self.repeats:
            self.repeats -= 1
            return [population[0]] * k
        return super().choices(population, weights, cum_weights=cum_weights, k=k)


def test_what_is_replaced_names_the_id_that_was_taken_in_the_end(house: House) -> None:
    """The first id drawn belongs to another claim already; nothing of that try is left."""
    rng, payor = Drawn(7), house.payor
    house.payor = Payor(house.database, payor.repository, payor.outbox, default_provider_id="PROV-001", rng=rng)
    rng.repeats = 1
    first = house.submit(**GUIDE).claim_id
    rng.repeats = 2
    second = house.submit(**{**GUIDE, "amount": "1300.00", "replaces": first}).claim_id
    assert second != first
    assert house.claim(first)["replaced_by"] == second
    told = house.value("SELECT COUNT(*) FROM outbox WHERE topic = 'claim.voided'")
    assert told == 1
    assert house.claim(second)["void"] is False
    consistent(house)
