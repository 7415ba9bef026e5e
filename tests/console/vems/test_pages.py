"""The dashboard over real HTTP, as somebody without script uses it: every page, every form, and who may do what."""

import re

import pytest

from kiungo.base.time import date_of
from tests.console.vems.conftest import Dashboard
from tests.domains.vems.routes.test_statements import camt, statement
from tests.domains.vems.settlement.world import FACILITY, VENDOR

HOME = "/console/vems"


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.split("<main", 1)[-1]))


@pytest.fixture
def places(references: dict[str, str]) -> list[str]:
    booking, unknown = references["booking"], references["unknown"]
    return [
        HOME, f"{HOME}/bookings", f"{HOME}/bookings/{booking}", f"{HOME}/settlements", f"{HOME}/settlements/{booking}",
        f"{HOME}/payments", f"{HOME}/payments?view=done", f"{HOME}/payments/{unknown}", f"{HOME}/payees",
        f"{HOME}/payees/{VENDOR}", f"{HOME}/rails", f"{HOME}/rails/bank", f"{HOME}/contracts", f"{HOME}/contracts/new",
    ]  # fmt: skip


def test_every_page_opens_for_an_administrator_and_none_without_a_session(
    dashboard: Dashboard, places: list[str]
) -> None:
    ada = dashboard.signed_in("Ada", "settlement_officer")
    for place in places:
        if "contracts" not in place:
            assert "<h1" in ada.see(place), place
            assert ada.status == 200, (place, text_of(ada.page))
    manager = dashboard.signed_in("Max", "contract_manager")
    for place in (f"{HOME}/contracts", f"{HOME}/contracts/new"):
        manager.see(place)
        assert manager.status == 200, place
    manager.see(f"{HOME}/payments")
    assert manager.status == 403
    ada.client.cookies.clear()
    for place in places:
        assert ada.client.get(place).url.path == "/console/sign-in", place


def test_the_overview_counts_what_needs_somebody(dashboard: Dashboard, references: dict[str, str]) -> None:
    page = text_of(dashboard.signed_in("Ada", "settlement_officer").see(HOME))
    for words in ("Outcome unknown", "2 payments", "Waiting", "Approved 80 %", "Payment cycle", "2026-05", "F8736"):
        assert words in page, words
    assert 'aria-label="SHA: ' in dashboard.signed_in("Ada", "settlement_officer").see(HOME)


def test_a_period_that_is_none_is_said_and_the_usual_one_shown(
    dashboard: Dashboard, references: dict[str, str]
) -> None:
    ada = dashboard.signed_in("Ada", "settlement_officer")
    assert "is not a date in the calendar" in ada.see(HOME, since="2026-02-31")
    assert ada.status == 400
    for since, until in (("2027-01-01", "2026-01-01"), ("0001-01-01", "9999-12-31")):
        ada.see(HOME, since=since, until=until)
        assert ada.status == 200, (since, until)


def test_a_facility_sees_its_own_bookings_and_nobody_elses_money(
    dashboard: Dashboard, references: dict[str, str]
) -> None:
    own = dashboard.signed_in("Harbour", "facility", facility=FACILITY)
    assert references["booking"] in own.see(f"{HOME}/bookings")
    assert "Correct the approval" not in own.see(f"{HOME}/bookings/{references['booking']}")
    other = dashboard.signed_in("Elsewhere", "facility", facility="FID-0")
    assert "No booking fits" in other.see(f"{HOME}/bookings", facility=FACILITY)
    assert "No booking fits" in other.see(f"{HOME}/bookings", q=references["booking"])
    other.see(f"{HOME}/bookings/{references['booking']}")
    assert other.status == 404
    vendor = dashboard.signed_in("Vendor", "payee", payee=VENDOR)
    for leg in dashboard.office.get("/legs", limit=200)["data"]:
        vendor.see(f"{HOME}/payments/{leg['reference']}")
        assert vendor.status == (200 if leg["payee"] == VENDOR else 404)


def test_bookings_are_found_by_number_claim_and_state(dashboard: Dashboard, references: dict[str, str]) -> None:
    ada = dashboard.signed_in("Ada", "settlement_officer")
    for asked in ({"q": references["booking"].lower()}, {"q": "CLAIM-LOST"}):
        assert re.findall(r'class="code" href="[^"]+/(VB\w+)"', ada.see(f"{HOME}/bookings", **asked)) == [
            references["booking"]
        ]
    assert "CLAIM-0-3" in ada.see(f"{HOME}/bookings", approval="rejected")
    assert "CLAIM-0-0" not in ada.page
    ada.see(f"{HOME}/bookings", cursor="x")
    assert ada.status == 422


def test_two_persons_close_a_payment_in_the_browser(dashboard: Dashboard, references: dict[str, str]) -> None:
    one = f"{HOME}/payments/{references['unknown']}"
    ann = dashboard.signed_in("Ann", "settlement_officer")
    ben = dashboard.signed_in("Ben", "settlement_officer")
    ann.see(one)
    assert "Nobody knows whether this money moved." in ann.page
    ann.send(f"{one}/propose", outcome="failed", evidence="")
    assert ann.status == 422
    assert "evidence" in text_of(ann.page)
    ann.send(f"{one}/propose", outcome="failed", evidence="Rail's desk, call 4711")
    assert "A second person has to confirm it." in text_of(ann.page)
    assert "Confirm: failed" not in ann.page
    ann.send(f"{one}/confirm", outcome="failed")
    assert ann.status == 403
    assert "Ask a colleague" in ann.page
    assert "Ann says: failed." in text_of(ben.see(one))
    ben.send(f"{one}/confirm", outcome="failed")
    assert "Closed." in ben.page
    ben.send(f"{one}/pay-again")
    assert "This is the new payment." in ben.page
    assert "Waiting KES 21000.00 for V364" in text_of(ben.page)


def test_a_correction_is_proposed_and_confirmed(dashboard: Dashboard, references: dict[str, str]) -> None:
    office = dashboard.office
    number = office.approved(claimID="CLAIM-CORRECT")
    one = f"{HOME}/bookings/{number}"
    ann = dashboard.signed_in("Ann", "booking_supervisor")
    ann.see(one)
    ann.send(f"{one}/propose", approvedAmount="99999999", reason="x")
    assert ann.status == 422
    ann.send(f"{one}/propose", approvedAmount="15000", reason="<b>no MRI</b>")
    assert "Ann proposes to approve 15,000.00 KES after all: &lt;b&gt;no MRI" in re.sub(
        r"\s+", " ", re.sub(r"<[^>]+>", "", ann.page)
    )
    ben = dashboard.signed_in("Ben", "booking_supervisor")
    ben.see(one)
    ben.send(f"{one}/confirm", approvedAmount="15000.00")
    assert "Corrected." in ben.page
    assert "Partially paid" in text_of(ben.page)


def test_an_override_is_agreed_with_by_a_second_person(dashboard: Dashboard, references: dict[str, str]) -> None:
    office = dashboard.office
    number = office.booked(claimID="CLAIM-BY-HAND")
    wish = {"reason": "<i>the letter</i>", "approvalStatus": "partially_paid", "approvedAmount": "9000.00"}
    office.post(f"/bookings/{number}/override", wish, status=202)
    one = f"{HOME}/bookings/{number}"
    ben = dashboard.signed_in("Ben", "booking_supervisor")
    assert "partially_paid, KES 9000.00" in ben.see(one)
    assert "<i>the letter" not in ben.page
    ben.send(f"{one}/override", approvalStatus="approved", bookingStatus="", approvedAmount="")
    assert ben.status == 409
    ben.send(f"{one}/override", approvalStatus="partially_paid", bookingStatus="", approvedAmount="9000.00")
    assert "Set by hand, as both of you said." in ben.page
    assert "Partially paid" in text_of(ben.page)


def test_a_contract_is_changed_and_its_version_guards_it(dashboard: Dashboard, references: dict[str, str]) -> None:
    max_ = dashboard.signed_in("Max", "contract_manager")
    contract = dashboard.office.get("/contracts")["data"][0]
    one = f"{HOME}/contracts/{contract['contractId']}"
    form = {
        **{name: contract[name] for name in ("facility", "vendor", "lot", "service", "effectiveFrom")},
        "version": str(contract["version"]), "isActive": "true", "shaRate": "15000.00", "kind_any": "percents",
        "share0_any": "66.67", "share1_any": "30", "share2_any": "3.33", "kind_sha": "amounts",
        "share0_sha": "10000", "share1_sha": "4500", "share2_sha": "500.00",
    }  # fmt: skip
    max_.see(one)
    max_.send(one, **{**form, "share0_sha": "10000.001"})
    assert max_.status == 422
    assert 'value="10000.001"' in max_.page, "what was typed is still there"
    max_.send(one, **{**form, "share0_sha": "11000"})
    assert max_.status == 422, "shares never come to more than the rate"
    max_.send(one, **form)
    assert "Saved." in max_.page
    assert 'value="66.67"' in max_.page
    max_.send(one, **{**form, "shaRate": "16000"})
    assert max_.status == 409
    assert "Read it again" in max_.page
    new = dict(form, effectiveFrom="2023-01-01", effectiveUntil="2023-06-30")
    max_.see(f"{HOME}/contracts/new")
    max_.send(f"{HOME}/contracts/new", **new)
    assert "Saved." in max_.page
    max_.send(f"{HOME}/contracts/new", **dict(new, effectiveFrom="2023-02-30"))
    assert max_.status == 422


def test_payees_are_registered_and_their_details_approved_by_another(
    dashboard: Dashboard, references: dict[str, str]
) -> None:
    pia = dashboard.signed_in("Pia", "payee_manager")
    pia.see(f"{HOME}/payees")
    pia.send(f"{HOME}/payees", payee="V 1", name="")
    assert pia.status == 422
    pia.send(f"{HOME}/payees", payee="V900", name="Tumaini Labs", language="sw", phone="+254711000900", email="")
    assert "Tumaini Labs" in pia.page
    one = f"{HOME}/payees/V900"
    pia.send(f"{one}/propose", to0="bank/bank_account", number0="x")
    assert pia.status == 422
    pia.send(f"{one}/propose", to0="mpesa/wallet", number0="254711000900")
    assert "Your proposal is kept." in pia.page
    assert ">Approve<" not in pia.page
    pia.send(f"{one}/approve", version="1")
    assert pia.status == 403
    pat = dashboard.signed_in("Pat", "payee_manager")
    pat.see(one)
    pat.send(f"{one}/approve", version="1")
    assert "In use since" in text_of(pat.page)
    pat.send(f"{one}/change", name="Tumaini Laboratories", language="en", phone="", email="lab@tumaini.example")
    assert "Tumaini Laboratories" in pat.page


def test_the_queue_of_a_bank_is_worked_off(dashboard: Dashboard, references: dict[str, str]) -> None:
    ann = dashboard.signed_in("Ann", "settlement_officer")
    page = ann.see(f"{HOME}/rails/bank")
    assert "MNAZI MOJA HOSP" in page
    line = re.search(r'name="line" value="([^"]+)"><input type="hidden" name="reference" value="(\w+)"', page)
    assert line is not None
    assert line[2] == references["submitted"]
    ann.send(f"{HOME}/rails/bank/accept", line=line[1], reference="NOSUCHLEG2345")
    assert ann.status == 404
    ann.send(f"{HOME}/rails/bank/accept", line=line[1], reference=line[2])
    assert "The line is used for this payment." in ann.page
    assert dashboard.office.get(f"/legs/{line[2]}")["data"]["legStatus"] == "posted"
    charges = re.search(r"LEDGER FEE.*?name=\"line\" value=\"([^\"]+)\"", ann.page, re.S)
    ann.send(f"{HOME}/rails/bank/explain", line=charges[1], memo="monthly", **{"as": "bank_charges"})  # type: ignore[index]
    assert "Booked." in ann.page
    ann.send(f"{HOME}/rails/bank/fund", key="OWN2", amount="100")
    assert ann.status == 403, "who decides about payments does not fund them"
    tom = dashboard.signed_in("Tom", "treasurer")
    tom.see(f"{HOME}/rails/bank")
    tom.send(f"{HOME}/rails/bank/fund", key="OWN2", amount="1.001")
    assert tom.status == 422
    tom.send(f"{HOME}/rails/bank/fund", key="OWN2", amount="100")
    assert "What waited for money is tried again." in tom.page


def test_figures_are_taken_along_with_the_session(dashboard: Dashboard, references: dict[str, str]) -> None:
    ada = dashboard.signed_in("Ada", "settlement_officer")
    for address in re.findall(r'href="(/vems/v1/analytics/[^"]+)"', ada.see(HOME)):
        answer = ada.client.get(address.replace("&amp;", "&"))
        assert answer.status_code == 200, address
        assert answer.headers["content-type"].startswith("text/csv"), address


def test_a_form_without_its_token_changes_nothing(dashboard: Dashboard, references: dict[str, str]) -> None:
    ann = dashboard.signed_in("Ann", "settlement_officer")
    one = f"{HOME}/payments/{references['unknown_too']}"
    ann.see(one)
    ann.send(f"{one}/propose", token="wrong", outcome="paid", evidence="x")
    assert ann.status == 403
    assert dashboard.office.get(f"/legs/{references['unknown_too']}")["data"]["proposedOutcome"] is None


CONTRACTS = (
    "facility,vendor,lot,service,effective_from,sha_rate,vendor_share,facility_share,service_fee\n"
    "{facility},V364,LOT-2024-001,F8751,{day},15500.00,10500.00,4500.00,{fee}\n"
)


def contracts_file(**values: str) -> bytes:
    return CONTRACTS.format(**({"facility": FACILITY, "day": "2031-01-01", "fee": "500.00"} | values)).encode()


def test_contracts_come_as_a_file_whole_or_not_at_all(dashboard: Dashboard) -> None:
    manager = dashboard.signed_in("Max", "contract_manager")
    address = f"{HOME}/contracts"
    manager.see(address)
    manager.upload(f"{address}/import", b"")
    assert (manager.status, "Choose a file first" in manager.page) == (422, True)
    manager.upload(f"{address}/import", contracts_file(fee="501.00"))
    assert manager.status == 422
    assert "Nothing was written" in manager.page
    manager.upload(f"{address}/import", contracts_file(), token="forged")
    assert manager.status == 403
    manager.see(address)
    manager.upload(f"{address}/import", b"x" * 2_100_000)
    assert manager.status == 413
    assert "F8751" not in manager.see(address).partition('id="rows"')[2]
    manager.upload(f"{address}/import", contracts_file())
    assert manager.status == 200
    assert "Contracts in the file: 1, all written." in manager.page
    assert "F8751" in manager.page.partition('id="rows"')[2]
    reader = dashboard.signed_in("Harbour", "facility", facility=FACILITY)
    reader.see(HOME + "/bookings")
    reader.upload(f"{address}/import", contracts_file())
    assert reader.status == 403


def test_a_statement_comes_as_a_file(dashboard: Dashboard, references: dict[str, str]) -> None:
    day = date_of(dashboard.office.world.clock.now_us())
    body = camt(statement((777_000, "", "FROM NOBODY"), day=day, number=77))
    ada = dashboard.signed_in("Ada", "settlement_officer")
    ada.see(f"{HOME}/rails/bank")
    ada.upload(f"{HOME}/rails/bank/statements", b"no statement")
    assert ada.status in (400, 422), text_of(ada.page)
    for new in (1, 0):
        ada.upload(f"{HOME}/rails/bank/statements", body)
        assert f"Taken in: {new} new lines, 0 of them with their payment." in text_of(ada.page)
