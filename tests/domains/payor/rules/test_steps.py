"""Each step on its own ground: what it denies, what it asks, and with which reason."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from kiungo.base.money import Money
from kiungo.domains.payor import sample
from kiungo.domains.payor.book import Exclusion, Fee, Limit, ListedCode, Pair, Provider, code_set
from kiungo.domains.payor.model import Authorization, Claim, Coverage, Neighbour, Ruling
from kiungo.domains.payor.rules.case import Case, deductible_of, out_of_pocket_of
from kiungo.domains.payor.rules.coverage import same_name
from kiungo.domains.payor.rules.duplicate import fingerprint
from kiungo.domains.payor.rules.pipeline import adjudicate
from kiungo.domains.payor.snapshot import Reference, assemble
from kiungo.ports.bookings import BookedService, Booking
from tests.domains.payor.cases import AMINA, JOHN, KAMAU, MEMBERS, SNAPSHOT, case, claim, line, reasons, usd


def only(judged: Case, effect: str) -> Any:
    found = [finding for finding in adjudicate(judged).findings if finding.effect == effect]
    assert len(found) == 1, found
    return found[0]


def no_providers() -> Iterator[Reference]:
    return (row for row in sample.reference() if not isinstance(row.item, Provider))


DEDUCTIBLE, OUT_OF_POCKET = deductible_of("FAMILY-PLUS"), out_of_pocket_of("FAMILY-PLUS")


def visits(days: int) -> dict[tuple[str, str, str], int]:
    """So many days of March were visits already."""
    return {(AMINA, "visits:FAMILY-PLUS:PHYSIO", f"2024-03-{day:02}"): 1 for day in range(1, days + 1)}


class TestCoverage:
    def test_a_service_before_cover_is_denied_and_the_patient_owes_it(self) -> None:
        result = adjudicate(case(claim(line(day="2019-12-31"))))
        assert result.outcome == "rejected"
        assert reasons(result) == {"1 PR-26": "1250.00"}
        assert (result.paid.text(), result.patient.text()) == ("0.00", "1250.00")

    def test_a_service_after_cover_is_denied(self) -> None:
        ended = replace(MEMBERS[JOHN], coverages=(Coverage("STANDARD", "2020-01-01", "2024-09-30"),))
        denial = only(case(claim(), member=ended), "deny")
        assert (denial.reason, denial.text) == ("27", "The member was not covered on 2024-10-03")

    def test_each_line_is_looked_at_on_its_own_date(self) -> None:
        ended = replace(MEMBERS[JOHN], coverages=(Coverage("STANDARD", "2020-01-01", "2024-10-03"),))
        result = adjudicate(case(claim(line(), line(number=2, day="2024-10-04", charge="100.00")), member=ended))
        assert result.outcome == "approved"
        assert [one.denied for one in result.lines] == [False, True]

    def test_services_under_two_plans_are_asked_about(self) -> None:
        two = (Coverage("STANDARD", "2020-01-01", "2024-10-03"), Coverage("FAMILY-PLUS", "2024-10-04"))
        judged = case(claim(line(), line(number=2, day="2024-10-04")), member=replace(MEMBERS[JOHN], coverages=two))
        assert only(judged, "pend").text == "Line 2 falls under plan FAMILY-PLUS, the claim under plan STANDARD"

    @pytest.mark.parametrize("name", ["John Doe", "DOE, John", "john  doe"])
    def test_the_same_words_are_the_same_name(self, name: str) -> None:
        assert same_name(name, "John Doe")

    def test_another_name_is_a_note(self) -> None:
        assert only(case(claim(patient_name="Jon Do")), "note").step == "coverage"


class TestFiling:
    @pytest.mark.parametrize(("day", "outcome"), [("2024-07-05", "approved"), ("2024-07-04", "rejected")])
    def test_ninety_days_are_ninety_days(self, day: str, outcome: str) -> None:
        result = adjudicate(case(claim(line("99396", "210.00", day=day), member_id=AMINA)))
        assert result.outcome == outcome

    def test_a_late_claim_says_how_late(self) -> None:
        denial = only(case(claim(line("99396", "210.00", day="2024-01-01"), member_id=AMINA)), "deny")
        assert (denial.reason, denial.group) == ("29", "CO")
        assert denial.text == "Received 276 days after the service; the plan takes claims for 90 days"

    def test_a_replacement_is_in_time_for_the_days_the_first_claim_carried_in_time(self) -> None:
        visits = line("99396", "210.00", day="2024-01-01"), line("99396", "210.00", number=2, day="2024-01-02")
        again = claim(*visits, member_id=AMINA, replaces="CLM-1")
        result = adjudicate(case(again, carried={"2024-01-01": "2024-01-15"}))
        assert [one.denied for one in result.lines] == [False, True]

    def test_replacing_a_late_claim_makes_nobody_punctual(self) -> None:
        late = claim(line("99396", "210.00", day="2024-01-01"), member_id=AMINA, replaces="CLM-1")
        for carried in ({}, {"2024-01-01": "2024-05-05"}):
            assert only(case(late, carried=carried), "deny").reason == "29"


class TestProvider:
    def test_an_unknown_provider_is_asked_about(self) -> None:
        assert only(case(claim(provider_id="PROV-999")), "pend").reason == "B7"

    def test_a_sanctioned_provider_is_denied(self) -> None:
        bad = Provider("PROV-001", "Shut down", sanctioned=True)
        snapshot = replace(SNAPSHOT, providers={"PROV-001": (bad,)})
        assert only(case(claim(), snapshot=snapshot), "deny").reason == "B7"

    def test_what_holds_of_a_provider_is_looked_up_by_the_day_of_each_line(self) -> None:
        rows = (
            Provider("PROV-001", "City", sanctioned=True, valid_from="2024-06-01"),
            Provider("PROV-001", "City", valid_from="2024-01-01", valid_until="2024-05-31"),
        )
        snapshot = assemble(1, sample.PLANS, [*no_providers(), *(Reference("", row) for row in rows)])
        days = ("2023-12-31", "2024-05-31", "2024-06-01")
        stated = claim(*(line(number=number, day=day) for number, day in enumerate(days, 1)))
        result = adjudicate(case(stated, snapshot=snapshot, plan={"unknown_provider": "deny"}))
        assert [one.denied for one in result.lines] == [True, False, True]
        pend = only(case(stated, snapshot=snapshot), "pend")
        assert (pend.line, pend.text) == (1, "Provider PROV-001 was not enrolled on 2023-12-31")

    def test_outside_the_network_the_patient_pays_more(self) -> None:
        outside = claim(line("76700", "1000.00"), member_id=AMINA, provider_id="PROV-003")
        paid = {("BC-200-001", DEDUCTIBLE, "2024"): 50_000}
        assert adjudicate(case(outside, used=paid)).patient == usd("190.00").percent(4_000)


class TestCodes:
    @pytest.mark.parametrize("code", ["bronchitis", "J2", "J20.99999", "j20.9", "٣٠٠"])
    def test_what_cannot_be_a_diagnosis_is_refused(self, code: str) -> None:
        assert only(case(claim(diagnoses=(code,))), "refuse").field == "diagnosis_code"

    @pytest.mark.parametrize("code", ["9921", "992133", "W1234", "99213-1"])
    def test_what_cannot_be_a_procedure_is_refused(self, code: str) -> None:
        assert only(case(claim(line(code))), "refuse").field == "procedure_code"

    @pytest.mark.parametrize("code", ["0001F", "0042T", "0001U", "A0021", "G0101"])
    def test_other_forms_of_procedures_are_known(self, code: str) -> None:
        assert only(case(claim(line(code))), "pend").reason == "181"

    def test_national_codes_belong_to_the_plan(self) -> None:
        scan = line("F8735", "15000.00", currency="KES")
        judged = case(claim(scan, member_id=KAMAU, diagnoses=("CA40.0",), provider_id="PROV-004"))
        result = adjudicate(judged)
        assert (result.outcome, result.paid) == ("approved", Money.parse("15000.00", "KES"))

    def test_a_diagnosis_is_looked_up_on_the_day_of_each_line(self) -> None:
        book = SNAPSHOT.plans["STANDARD"]
        own = ListedCode("diagnosis", "LOCAL-7", valid_until="2024-10-03")
        listed = {**book.listed, ("diagnosis", "LOCAL-7"): (own,)}
        snapshot = replace(SNAPSHOT, plans={"STANDARD": replace(book, listed=listed)})
        lines = line(), line(number=2, day="2024-10-04")
        stated = claim(*lines, diagnoses=("LOCAL-7",), received_on="2024-12-01")
        assert only(case(stated, snapshot=snapshot), "pend").line == 2
        assert only(case(replace(stated, lines=lines[1:]), snapshot=snapshot), "refuse").field == "diagnosis_code"

    def test_an_unlisted_diagnosis_can_deny(self) -> None:
        denial = only(case(claim(diagnoses=("Z51.12",)), plan={"unlisted_diagnosis": "deny"}), "deny")
        assert (denial.group, denial.reason) == ("CO", "146")

    def test_a_code_the_plan_no_longer_lists_is_asked_about(self) -> None:
        book = SNAPSHOT.plans["STANDARD"]
        old = replace(book.listed["procedure", "99213"][0], valid_until="2023-12-31")
        listed = {**book.listed, ("procedure", "99213"): (old,)}
        snapshot = replace(SNAPSHOT, plans={"STANDARD": replace(book, listed=listed)})
        assert only(case(claim(), snapshot=snapshot), "pend").reason == "181"


class TestAuthorization:
    MRI = line("70551", "620.00")
    GIVEN = Authorization("AUTH-123456", AMINA, ("70551",), "2024-01-01", "2024-12-31", units=2)

    def mri(self, number: str | None = "AUTH-123456", known: Authorization | None = GIVEN, **fields: Any) -> Case:
        used = fields.pop("used", None)
        stated = claim(self.MRI, member_id=AMINA, prior_authorization=number, **fields)
        return case(stated, authorization=known, used=used)

    def test_a_good_one_is_enough_and_is_counted(self) -> None:
        result = adjudicate(self.mri())
        assert result.outcome == "approved"
        assert (AMINA, "authorization:AUTH-123456", "lifetime", 1) in [
            (e.member_id, e.bucket, e.period, e.amount) for e in result.entries
        ]

    @pytest.mark.parametrize(
        ("judged", "reason"),
        [
            (lambda self: self.mri(None, None), "197"),
            (lambda self: self.mri(known=None), "197"),
            (lambda self: self.mri(known=replace(self.GIVEN, member_id="BC-200-002")), "197"),
            (lambda self: self.mri(known=replace(self.GIVEN, valid_until="2024-01-31")), "197"),
            (lambda self: self.mri(known=replace(self.GIVEN, codes=("76700",))), "198"),
            (lambda self: self.mri(used={(AMINA, "authorization:AUTH-123456", "lifetime"): 2}), "198"),
        ],
    )
    def test_a_bad_one_is_asked_about(self, judged: Any, reason: str) -> None:
        assert only(judged(self), "pend").reason == reason

    def test_a_plan_may_let_it_be(self) -> None:
        without = replace(self.mri(None, None))
        plan = replace(without.book.plan, authorization_missing="accept")
        result = adjudicate(replace(without, book=replace(without.book, plan=plan)))
        assert (result.outcome, result.findings[0].effect) == ("approved", "note")

    def test_an_emergency_needs_none(self) -> None:
        assert adjudicate(self.mri(None, None, emergency=True)).outcome == "approved"


class TestEdits:
    def test_the_second_of_a_pair_is_part_of_the_first(self) -> None:
        result = adjudicate(case(claim(line("80053", "100.00"), line("36415", "20.00", number=2))))
        assert [one.denied for one in result.lines] == [False, True]
        assert reasons(result)["2 CO-97"] == "20.00"

    def test_a_modifier_lifts_a_pair_that_allows_it(self) -> None:
        lines = line("80053", "100.00"), line("36415", "20.00", number=2, modifiers=("59",))
        assert not adjudicate(case(claim(*lines))).lines[1].denied
        strict = replace(SNAPSHOT, pairs={("80053", "36415"): (Pair("80053", "36415"),)})
        assert adjudicate(case(claim(*lines), snapshot=strict)).lines[1].denied

    def test_the_first_may_be_on_another_claim_of_the_day(self) -> None:
        other = Neighbour("CLM-1", "2024-10-03", "80053", "PROV-001", 10_000, 1)
        assert only(case(claim(line("36415", "20.00")), neighbours=(other,)), "deny").reason == "97"

    def test_the_part_may_have_been_claimed_before_the_whole(self) -> None:
        part = Neighbour("CLM-1", "2024-10-03", "36415", "PROV-001", 2_000, 1)
        pend = only(case(claim(line("80053", "100.00")), neighbours=(part,)), "pend")
        assert (pend.reason, "CLM-1" in pend.text) == ("97", True)
        apart = claim(line("80053", "100.00", modifiers=("59",)))
        assert adjudicate(case(apart, neighbours=(part,))).outcome == "approved"
        for other in (replace(part, provider_id="PROV-002"), replace(part, service_date="2024-10-02")):
            assert adjudicate(case(claim(line("80053", "100.00")), neighbours=(other,))).outcome == "approved"

    def test_units_above_the_days_limit_are_cut(self) -> None:
        result = adjudicate(case(claim(line("85025", "100.00", units=3))))
        assert reasons(result) == {"1 CO-151": "33.33", "1 PR-2": "13.33"}

    def test_units_of_the_days_other_claims_count(self) -> None:
        other = Neighbour("CLM-1", "2024-10-03", "85025", "PROV-002", 5_000, 2)
        assert only(case(claim(line("85025", "50.00")), neighbours=(other,)), "deny").reason == "151"


class TestDuplicates:
    NEAR = Neighbour("CLM-1", "2024-10-03", "99213", "PROV-001", 125_000, 1)

    def test_a_near_repetition_is_asked_about(self) -> None:
        assert only(case(claim(), neighbours=(self.NEAR,)), "pend").reason == "18"

    @pytest.mark.parametrize(
        "other",
        [
            replace(NEAR, service_date="2024-10-04"),
            replace(NEAR, procedure="99214"),
            replace(NEAR, provider_id="PROV-002"),
            replace(NEAR, charge_minor=15_000),
        ],
    )
    def test_what_differs_is_not_a_repetition(self, other: Neighbour) -> None:
        assert adjudicate(case(claim(), neighbours=(other,))).outcome == "approved"

    def test_a_modifier_says_it_was_done_again(self) -> None:
        again = claim(line(modifiers=("76",)))
        assert adjudicate(case(again, neighbours=(self.NEAR,))).outcome == "approved"

    def test_a_line_stated_twice_is_paid_once(self) -> None:
        result = adjudicate(case(claim(line(), line(number=2))))
        assert reasons(result) == {"1 PR-2": "250.00", "2 CO-18": "1250.00"}

    def test_a_service_again_at_another_charge_is_asked_about(self) -> None:
        assert only(case(claim(line(), line(number=2, charge="900.00"))), "pend").line == 2

    @pytest.mark.parametrize(
        "other", [{"modifiers": ("76",)}, {"modifiers": ("LT",)}, {"day": "2024-10-04"}, {"units": 2}]
    )
    def test_a_line_that_differs_is_not_the_same_again(self, other: dict[str, Any]) -> None:
        assert not adjudicate(case(claim(line(), line(number=2, **other)))).lines[1].denied

    def test_the_fingerprint_is_of_what_was_done_and_not_of_how_it_is_told(self) -> None:
        same = claim()
        assert fingerprint(same) == fingerprint(replace(same, notes="x", patient_name="Y", priority="high"))
        for other in (
            claim(line(charge="1250.01")),
            claim(line(day="2024-10-04")),
            claim(line(modifiers=("76",))),
            claim(line(units=2)),
            claim(provider_id="PROV-002"),
            claim(provider_claim_id="A1"),
            claim(diagnoses=("I10",)),
            claim(line(prior_paid="0.00")),
            claim(line(prior_paid="100.00")),
            claim(prior_authorization="AUTH-1"),
            claim(emergency=True),
            claim(replaces="CLM-1"),
        ):
            assert fingerprint(other) != fingerprint(same)


class TestPricingAndBenefits:
    def test_the_fee_wins_over_a_higher_charge_and_the_charge_over_a_higher_fee(self) -> None:
        met = {(AMINA, DEDUCTIBLE, "2024"): 50_000}
        for charge, allowed in (("125.00", "110.00"), ("80.00", "80.00")):
            result = adjudicate(case(claim(line(charge=charge), member_id=AMINA), used=met))
            assert result.allowed.text() == allowed

    def test_a_fee_in_other_money_is_no_fee_at_all(self) -> None:
        book = SNAPSHOT.plans["FAMILY-PLUS"]
        foreign = {("99213", ""): (Fee("99213", Money.parse("110.00", "KES")),)}
        snapshot = replace(SNAPSHOT, plans={"FAMILY-PLUS": replace(book, fees=foreign)})
        with pytest.raises(ValueError, match="cannot mix USD and KES"):
            adjudicate(case(claim(member_id=AMINA), snapshot=snapshot))

    def test_the_whole_waterfall_to_the_cent(self) -> None:
        # 160.00 allowed of 200.00; 30.00 of deductible left; copay 25.00; ten percent of 105.00.
        used = {(AMINA, DEDUCTIBLE, "2024"): 47_000}
        result = adjudicate(case(claim(line("99214", "200.00"), member_id=AMINA), used=used))
        assert reasons(result) == {
            "1 CO-45": "40.00",
            "1 PR-1": "30.00",
            "1 PR-3": "25.00",
            "1 PR-2": "10.50",
        }
        assert (result.paid.text(), result.patient.text()) == ("94.50", "65.50")

    def test_the_cap_gives_back_coinsurance_first(self) -> None:
        used = {(AMINA, DEDUCTIBLE, "2024"): 50_000, (AMINA, OUT_OF_POCKET, "2024"): 197_000}
        result = adjudicate(case(claim(line("99214", "160.00"), member_id=AMINA), used=used))
        assert reasons(result) == {"1 PR-3": "25.00", "1 PR-2": "5.00"}

    def test_the_familys_deductible_counts_too(self) -> None:
        used = {("", DEDUCTIBLE, "2024"): 100_000}
        assert "1 PR-1" not in reasons(adjudicate(case(claim(member_id=AMINA), used=used)))

    def test_what_another_plan_counted_is_not_this_plans(self) -> None:
        used = {(AMINA, deductible_of("STANDARD"), "2024"): 50_000, ("", deductible_of("STANDARD"), "2024"): 50_000}
        result = adjudicate(case(claim(line("99213", "110.00"), member_id=AMINA), used=used))
        assert reasons(result) == {"1 PR-1": "110.00"}
        assert {entry.bucket for entry in result.entries} == {DEDUCTIBLE, OUT_OF_POCKET}

    def test_preventive_care_is_free(self) -> None:
        result = adjudicate(case(claim(line("99396", "210.00"), member_id=AMINA)))
        assert (result.paid.text(), result.patient.text()) == ("210.00", "0.00")

    def test_one_copay_for_a_visit_of_two_services(self) -> None:
        met = {(AMINA, DEDUCTIBLE, "2024"): 50_000}
        visit = claim(line("99213", "110.00"), line("99214", "160.00", number=2), member_id=AMINA)
        assert [k for k in reasons(adjudicate(case(visit, used=met))) if "PR-3" in k] == ["1 PR-3"]

    def test_an_exclusion_can_deny(self) -> None:
        denial = only(case(claim(line("15776", "5000.00"), member_id=AMINA)), "deny")
        assert (denial.group, denial.reason) == ("PR", "204")

    def test_an_exclusion_can_be_a_note(self) -> None:
        book = replace(SNAPSHOT.plans["STANDARD"], exclusions=(Exclusion("procedure", "99213", "accept"),))
        result = adjudicate(case(claim(), snapshot=replace(SNAPSHOT, plans={"STANDARD": book})))
        assert (result.outcome, result.findings[0].effect, result.findings[0].reason) == ("approved", "note", "204")

    def test_a_diagnosis_can_be_excluded(self) -> None:
        book = replace(SNAPSHOT.plans["STANDARD"], exclusions=(Exclusion("diagnosis", "Z51*", "deny"),))
        snapshot = replace(SNAPSHOT, plans={"STANDARD": book})
        denial = only(case(claim(diagnoses=("Z51.12",)), snapshot=snapshot), "deny")
        assert denial.text == "Diagnosis code Z51.12 is excluded from coverage"

    def test_visits_above_the_limit_are_the_patients(self) -> None:
        therapy = claim(line("97110", "42.00"), member_id=AMINA)
        assert adjudicate(case(therapy, used=visits(19))).outcome == "approved"
        denial = only(case(therapy, used=visits(20)), "deny")
        assert (denial.group, denial.reason) == ("PR", "119")

    def test_a_visit_above_the_limit_is_denied_with_all_its_lines(self) -> None:
        twice = claim(line("97110", "42.00"), line("97110", "84.00", number=2, units=2), member_id=AMINA)
        result = adjudicate(case(twice, used=visits(20)))
        assert [one.denied for one in result.lines] == [True, True]

    def test_a_day_that_was_counted_by_another_claim_is_not_counted_again(self) -> None:
        therapy = claim(line("97110", "42.00", day="2024-03-20"), member_id=AMINA, received_on="2024-03-25")
        result = adjudicate(case(therapy, used=visits(20)))
        assert result.outcome == "approved"

    def test_units_are_counted_whole_or_not_at_all(self) -> None:
        book = replace(SNAPSHOT.plans["STANDARD"], limits=(Limit("TEN", "*", "units", "year", 10),))
        snapshot = replace(SNAPSHOT, plans={"STANDARD": book})
        lines = line("99213", "90.00", units=9), line("99214", "50.00", number=2, units=5)
        last = line("93000", "10.00", number=3)
        result = adjudicate(case(claim(*lines, last), snapshot=snapshot))
        assert [one.denied for one in result.lines] == [False, True, False]
        assert [entry.amount for entry in result.entries] == [10]

    def test_a_limit_of_money_is_paid_up_to_it(self) -> None:
        book = replace(SNAPSHOT.plans["STANDARD"], limits=(Limit("YEAR", "*", "amount", "year", 100_000),))
        snapshot = replace(SNAPSHOT, plans={"STANDARD": book})
        result = adjudicate(case(claim(), snapshot=snapshot))
        assert reasons(result) == {"1 PR-119": "250.00", "1 PR-2": "200.00"}
        assert (result.allowed.text(), result.paid.text()) == ("1000.00", "800.00")

    def test_a_high_amount_is_seen_by_a_person(self) -> None:
        assert only(case(claim(line(charge="40000.00"))), "pend").reason == "133"


class TestCoordination:
    def second(self, prior: str | None, charge: str = "1000.00") -> Case:
        cover = (Coverage("STANDARD", "2020-01-01", order=2),)
        return case(claim(line(charge=charge, prior_paid=prior)), member=replace(MEMBERS[JOHN], coverages=cover))

    def test_the_first_payers_payment_is_asked_for(self) -> None:
        assert only(self.second(None), "pend").reason == "22"

    @pytest.mark.parametrize(
        ("prior", "paid", "patient"),
        [("0.00", "800.00", "200.00"), ("150.00", "800.00", "50.00"), ("500.00", "500.00", "0.00"),
         ("1000.00", "0.00", "0.00"), ("5000.00", "0.00", "0.00")],
    )  # fmt: skip
    def test_we_pay_what_is_left_and_never_more_than_alone(self, prior: str, paid: str, patient: str) -> None:
        result = adjudicate(self.second(prior))
        assert (result.paid.text(), result.patient.text()) == (paid, patient)


class TestBooking:
    BOOKED = Booking(
        "VB1", "CR1234567", "FID-32-121583-3", True,
        (BookedService("F8735", Money(1_500_000, "KES")),), Money(1_500_000, "KES"),
    )  # fmt: skip

    def scan(self, booking: Booking | None = BOOKED, *, used_by: str | None = None, charge: str = "15000.00") -> Case:
        stated = claim(
            line("F8735", charge, currency="KES"),
            member_id=KAMAU,
            diagnoses=("CA40.0",),
            provider_id="PROV-004",
            booking_no="VB1",
        )
        return case(stated, booking=booking, booking_used_by=used_by)

    def test_a_claim_that_agrees_is_approved(self) -> None:
        assert adjudicate(self.scan()).outcome == "approved"

    def test_an_unknown_booking_is_refused(self) -> None:
        assert only(self.scan(None), "refuse").field == "booking_no"

    def test_a_booking_is_claimed_once(self) -> None:
        assert only(self.scan(used_by="CLM-1"), "deny").text == "Booking VB1 was already claimed"

    @pytest.mark.parametrize(
        ("other", "problem"),
        [
            (replace(BOOKED, live=False), "is no longer live"),
            (replace(BOOKED, patient="CR9"), "is for another patient"),
            (replace(BOOKED, facility="FID-9"), "is for another facility"),
            (replace(BOOKED, services=()), "is for other services"),
            (replace(BOOKED, total=Money(1, "KES")), "is for KES 0.01, the claim for KES 15000.00"),
        ],
    )
    def test_what_differs_is_asked_about(self, other: Booking, problem: str) -> None:
        assert only(self.scan(other), "pend").text == f"Booking VB1 {problem}"


class TestRulings:
    def test_an_approval_answers_questions_and_sets_amounts(self) -> None:
        ruling = Ruling("approve", "", {1: usd("3000.00")})
        result = adjudicate(case(claim(line("15776", "5000.00")), ruling=ruling))
        assert result.outcome == "approved"
        assert reasons(result) == {"1 CO-150": "2000.00", "1 PR-2": "600.00"}

    def test_a_denial_stands_unless_its_line_is_named(self) -> None:
        late = claim(line(day="2019-05-05", charge="100.00"))
        assert adjudicate(case(late, ruling=Ruling("approve", ""))).outcome == "rejected"
        assert adjudicate(case(late, ruling=Ruling("approve", "", {1: usd("100.00")}))).outcome == "approved"

    def test_the_amount_a_reviewer_set_is_the_amount_allowed(self) -> None:
        """Neither the units edit before pricing nor a limit after it takes from it."""
        book = replace(SNAPSHOT.plans["STANDARD"], limits=(Limit("YEAR", "*", "amount", "year", 5_000),))
        snapshot = replace(SNAPSHOT, plans={"STANDARD": book})
        blood = claim(line("85025", "100.00", units=4))
        for amount in ("90.00", "100.00", "10.00"):
            ruling = Ruling("approve", "", {1: usd(amount)})
            assert adjudicate(case(blood, snapshot=snapshot, ruling=ruling)).allowed == usd(amount)

    @pytest.mark.parametrize(
        ("stated", "plan"),
        [
            (claim(provider_id="PROV-999"), {"unknown_provider": "deny"}),
            (claim(provider_id="PROV-004"), {"out_of_network": "deny"}),
            (claim(diagnoses=("Z51.12", "Z51.11")), {"unlisted_diagnosis": "deny"}),
        ],
    )
    def test_what_denies_every_line_gives_way_to_an_approval_of_the_line(
        self, stated: Claim, plan: dict[str, str]
    ) -> None:
        assert adjudicate(case(stated, plan=plan)).outcome == "rejected"
        result = adjudicate(case(stated, plan=plan, ruling=Ruling("approve", "", {1: usd("500.00")})))
        assert (result.outcome, result.paid.text()) == ("approved", "400.00")

    def test_a_rejection_denies_everything(self) -> None:
        result = adjudicate(case(claim(), ruling=Ruling("reject", "Not needed")))
        assert (result.outcome, reasons(result)) == ("rejected", {"1 CO-A1": "1250.00"})

    def test_reopening_asks_again(self) -> None:
        result = adjudicate(case(claim(), ruling=Ruling("reopen", "Look again")))
        assert (result.outcome, result.entries) == ("under_review", ())


class TestCodeSets:
    def test_codes_prefixes_and_ranges(self) -> None:
        codes = code_set("99213", "F87*", "15775-15879", "A00.0..A09.9", "SHA-08-004")
        for inside in ("99213", "F8735", "15776", "15879", "A05.1", "SHA-08-004"):
            assert inside in codes
        for outside in ("99214", "F86", "15774", "15880", "A10.0", "SHA-08-005", None):
            assert outside not in codes

    @pytest.mark.parametrize("wrong", ["15879-15775", "A0..A09.9"])
    def test_a_range_needs_two_codes_of_one_length_in_order(self, wrong: str) -> None:
        with pytest.raises(ValueError, match="lower first"):
            code_set(wrong)
