"""The pages over real HTTP, as somebody without script uses them: on both engines, with real sessions."""

import re
import time

import httpx
import pytest

from tests.console.conftest import House

CLAIM_ID = re.compile(r"CLM-\d{8}-[A-Z0-9]{6}")


def text_of(page: str) -> str:
    """What a page says, without its markup."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


class TestSigningIn:
    def test_without_a_session_every_page_leads_to_the_form(self, house: House) -> None:
        visitor = house.visitor()
        for path in ("/console/", "/console/claims", "/console/claims/new", "/console/review", "/console/webhooks"):
            assert "API key" in visitor.see(path), path
            assert str(visitor.client.get(path).url).endswith("/console/sign-in")

    def test_a_key_opens_the_pages_of_its_role(self, house: House) -> None:
        provider = house.signed_in("City Medical Center", "provider", provider="PROV-001")
        bar = re.search(r"<nav.*?</nav>", provider.page, re.S)[0]  # type: ignore[index]
        assert [word for word in ("Claims", "Submit", "Codes", "Webhooks") if word not in bar] == []
        assert "Review desk" not in bar
        reviewer = house.signed_in("Rita", "reviewer")
        assert "Review desk" in reviewer.page
        assert "Submit a claim" not in reviewer.page

    def test_a_wrong_key_is_said_and_opens_nothing(self, house: House) -> None:
        visitor = house.visitor()
        assert "opens nothing" in visitor.sign_in("kgo_wrong")
        assert visitor.status == 401
        assert "API key" in visitor.see("/console/claims")

    def test_a_page_of_another_role_is_refused(self, house: House) -> None:
        provider = house.signed_in("City Medical Center", "provider", provider="PROV-001")
        assert "Not for you" in provider.see("/console/review")
        assert provider.status == 403

    def test_signing_out_ends_the_session_and_not_only_the_cookie(self, house: House) -> None:
        visitor = house.signed_in("Rita", "reviewer")
        cookie = visitor.client.cookies["kiungo_session"]
        visitor.send("/console/sign-out")
        stale = httpx.get(house.url + "/console/claims", cookies={"kiungo_session": cookie})
        assert stale.status_code == 303

    def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(self, house: House) -> None:
        visitor = house.visitor()
        visitor.see("/console/sign-in")
        answer = visitor.client.post(
            "/console/sign-in",
            data={"csrf": visitor.token, "api_key": house.key("Rita", "reviewer")},
            follow_redirects=False,
        )
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie

    @pytest.mark.parametrize("token", ["", "wrong", "0" * 64])
    def test_a_form_without_its_token_does_nothing(self, house: House, token: str) -> None:
        visitor = house.signed_in("City Medical Center", "provider", provider="PROV-001")
        page = visitor.send("/console/claims/new", token=token, patient_name="John Doe", amount="1.00")
        assert visitor.status == 403
        assert "not from a page of this session" in page
        visitor = house.visitor()
        visitor.see("/console/sign-in")
        visitor.send("/console/sign-in", token=token, api_key=house.key("Rita", "reviewer"))
        assert visitor.status == 403
        assert "kiungo_session" not in visitor.client.cookies

    def test_another_site_cannot_send_a_form(self, house: House) -> None:
        visitor = house.signed_in("City Medical Center", "provider", provider="PROV-001")
        visitor.see("/console/claims/new")
        visitor.client.headers["origin"] = "https://elsewhere.example"
        assert "another site" in visitor.send("/console/claims/new", patient_name="John Doe")
        assert visitor.status == 403


class TestClaims:
    def test_the_guides_claim_is_approved_and_every_cent_is_accounted_for(self, house: House) -> None:
        claim_id = house.submit(date_of_service="2024-10-03")
        visitor = house.signed_in("Rita", "reviewer")
        said = text_of(visitor.see(f"/console/claims/{claim_id}"))
        assert "Approved" in said
        assert "Charged 1,250.00 USD Adjusted 0.00 Patient pays 250.00 We pay 1,000.00" in said
        assert "Where every cent goes" in said
        assert "Total 1,250.00 0.00 250.00 1,000.00" in said
        assert "PR-2" in said

    def test_a_repetition_leads_to_the_original(self, house: House) -> None:
        first = house.submit(date_of_service="2024-10-03")
        visitor = house.signed_in("City Medical Center", "provider", provider="PROV-001")
        visitor.see("/console/claims/new")
        page = visitor.send(
            "/console/claims/new",
            patient_name="John Doe",
            insurance_id="BC-789-456",
            diagnosis_code="J20.9",
            procedure_code="99213",
            amount="1250.00",
            date_of_service="2024-10-03",
        )
        assert "this is the original" in page
        assert first in page

    def test_what_is_wrong_is_said_beside_its_field_and_nothing_typed_is_lost(self, house: House) -> None:
        visitor = house.signed_in("City Medical Center", "provider", provider="PROV-001")
        visitor.see("/console/claims/new")
        page = visitor.send(
            "/console/claims/new",
            patient_name="Zoë <script>alert(1)</script>",
            insurance_id="BC-789-456",
            diagnosis_code="J20.9",
            amount="12.345",
            patient_dob="1985-02-30",
            notes="typed with care",
        )
        assert visitor.status == 400
        assert page.count('aria-invalid="true"') >= 1
        assert "typed with care" in page
        assert "<script>alert" not in page
        assert "<details open>" in page

    def test_an_unknown_insurance_id_comes_with_suggestions(self, house: House) -> None:
        visitor = house.signed_in("City Medical Center", "provider", provider="PROV-001")
        visitor.see("/console/claims/new")
        page = visitor.send(
            "/console/claims/new",
            patient_name="Test Patient",
            insurance_id="INVALID-123",
            diagnosis_code="J20.9",
            amount="150.00",
        )
        assert visitor.status == 404
        assert "Insurance ID INVALID-123 not found" in page
        assert "Verify insurance ID format" in page
        assert "No claim fits" in visitor.see("/console/claims", q="INVALID-123")

    def test_a_provider_sees_its_own_claims_only(self, house: House) -> None:
        claim_id = house.submit()
        other = house.signed_in("Lakeside Clinic", "provider", provider="PROV-002")
        assert claim_id not in other.see("/console/claims")
        other.see(f"/console/claims/{claim_id}")
        assert other.status == 404
        assert "No claim fits" in other.see("/console/claims", q=claim_id)

    def test_filters_find_and_pages_follow(self, house: House) -> None:
        jane = {"insurance_id": "BC-789-457", "patient_name": "Jane Doe"}
        approved = house.submit(provider_claim_id="HOSP-1", **jane)
        pended = house.submit(procedure_code="15776", amount="5000.00", **jane)
        visitor = house.signed_in("Rita", "reviewer")
        assert {*CLAIM_ID.findall(visitor.see("/console/claims", q="BC-789-457"))} == {approved, pended}
        assert {*CLAIM_ID.findall(visitor.see("/console/claims", q="BC-789-457", status="under_review"))} == {pended}
        assert {*CLAIM_ID.findall(visitor.see("/console/claims", q=approved.lower()))} >= {approved}
        assert {*CLAIM_ID.findall(visitor.see("/console/claims", q="HOSP-1"))} == {approved}
        assert "No claim fits" in visitor.see("/console/claims", q="nothing like it")
        assert "No claim fits" in visitor.see("/console/claims", until="2020-01-01")
        assert "is not a date" in visitor.see("/console/claims", since="yesterday")
        assert visitor.status == 400

    def test_reading_a_claim_is_audited(self, house: House) -> None:
        claim_id = house.submit()
        house.signed_in("Rita", "reviewer").see(f"/console/claims/{claim_id}")
        deadline = time.monotonic() + 5
        query = "SELECT count(*) FROM audit WHERE action = 'read' AND kind = 'claim' AND record_id = ?"
        while not house.system.database.read(lambda unit: unit.value(query, (claim_id,))):
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def test_a_claim_that_is_not_there(self, house: House) -> None:
        visitor = house.signed_in("Rita", "reviewer")
        assert "Not found" in visitor.see("/console/claims/CLM-20241003-NOTHIN")
        assert visitor.status == 404


class TestReviewDesk:
    def test_take_and_approve_a_part(self, house: House) -> None:
        claim_id = house.submit(procedure_code="15776", amount="5000.00")
        rita = house.signed_in("Rita", "reviewer")
        assert claim_id in rita.see("/console/review")
        assert "excluded" in rita.see(f"/console/claims/{claim_id}")
        rita.send(f"/console/claims/{claim_id}/assign", back="review")
        assert "Rita" in rita.page
        assert claim_id in rita.see("/console/review", whose="mine")
        assert claim_id not in rita.see("/console/review", whose="nobody")
        rita.see(f"/console/claims/{claim_id}")
        said = text_of(rita.send(f"/console/claims/{claim_id}/approve", allowed_1="2000.00", note="Half is needed"))
        assert "Approved. " in said
        assert "Partly approved" in said
        assert "Charged 5,000.00 USD Adjusted 3,000.00 Patient pays 400.00 We pay 1,600.00" in said
        assert "Half is needed" in said
        assert claim_id not in rita.see("/console/review")

    def test_reject_with_a_reason_the_provider_reads(self, house: House) -> None:
        claim_id = house.submit(procedure_code="15776", amount="5000.00")
        rita = house.signed_in("Rita", "reviewer")
        rita.see(f"/console/claims/{claim_id}")
        rita.send(f"/console/claims/{claim_id}/reject", reason="")
        assert rita.status == 400
        rita.send(f"/console/claims/{claim_id}/reject", reason="Cosmetic surgery is not covered")
        provider = house.signed_in("City Medical Center", "provider", provider="PROV-001")
        said = text_of(provider.see(f"/console/claims/{claim_id}"))
        assert "Rejected" in said
        assert "Cosmetic surgery is not covered" in said

    def test_ask_and_be_answered(self, house: House) -> None:
        claim_id = house.submit(procedure_code="15776", amount="5000.00")
        rita = house.signed_in("Rita", "reviewer")
        rita.see(f"/console/claims/{claim_id}")
        rita.send(f"/console/claims/{claim_id}/request-information", question="Which graft was it?")
        provider = house.signed_in("City Medical Center", "provider", provider="PROV-001")
        assert "Which graft was it?" in provider.see(f"/console/claims/{claim_id}")
        provider.send(f"/console/claims/{claim_id}/provide-information", text="A scar revision")
        assert "A scar revision" in rita.see(f"/console/claims/{claim_id}")

    def test_a_provider_cannot_decide(self, house: House) -> None:
        claim_id = house.submit(procedure_code="15776", amount="5000.00")
        provider = house.signed_in("City Medical Center", "provider", provider="PROV-001")
        assert "Decide" not in provider.see(f"/console/claims/{claim_id}")
        provider.send(f"/console/claims/{claim_id}/approve")
        assert provider.status == 403

    def test_the_second_decision_is_told_about_the_first(self, house: House) -> None:
        claim_id = house.submit(procedure_code="15776", amount="5000.00")
        rita, omar = house.signed_in("Rita", "reviewer"), house.signed_in("Omar", "reviewer")
        rita.see(f"/console/claims/{claim_id}")
        omar.see(f"/console/claims/{claim_id}")
        rita.send(f"/console/claims/{claim_id}/approve")
        assert "not under review" in omar.send(f"/console/claims/{claim_id}/reject", reason="No")
        assert omar.status == 409
        assert "Approved" in text_of(omar.see(f"/console/claims/{claim_id}"))

    def test_a_large_amount_needs_two_people(self, house: House) -> None:
        claim_id = house.submit(procedure_code="15776", amount="20000.00")
        rita, omar = house.signed_in("Rita", "reviewer"), house.signed_in("Omar", "reviewer")
        rita.see(f"/console/claims/{claim_id}")
        assert "A second person has to approve" in rita.send(
            f"/console/claims/{claim_id}/approve", allowed_1="15000.00"
        )
        assert "second person" in rita.send(f"/console/claims/{claim_id}/approve", allowed_1="15000.00")
        assert rita.status == 403
        assert 'value="15000.00"' in omar.see(f"/console/claims/{claim_id}")
        assert "We pay 12,000.00" in text_of(omar.send(f"/console/claims/{claim_id}/approve", allowed_1="15000.00"))

    def test_reopen_and_void(self, house: House) -> None:
        claim_id = house.submit()
        rita = house.signed_in("Rita", "reviewer")
        rita.see(f"/console/claims/{claim_id}")
        assert "Reopened" in rita.send(f"/console/claims/{claim_id}/reopen", reason="Wrong units")
        assert claim_id in rita.see("/console/review")
        rita.see(f"/console/claims/{claim_id}")
        rita.send(f"/console/claims/{claim_id}/void", reason="Sent by mistake")
        assert "Sent by mistake" in rita.page
        assert claim_id not in rita.see("/console/review")


class TestCodes:
    def test_the_sheet_is_searched_by_code_and_by_word(self, house: House) -> None:
        visitor = house.signed_in("City Medical Center", "provider", provider="PROV-001")
        page = visitor.see("/console/codes", plan="STANDARD")
        for code in ("J20.9", "I10", "99213", "76700", "15775-15879"):
            assert code in page
        page = visitor.see("/console/codes", plan="STANDARD", q="blood")
        assert "85025" in page
        assert "J20.9" not in page

    def test_each_plan_has_its_own(self, house: House) -> None:
        visitor = house.signed_in("City Medical Center", "provider", provider="PROV-001")
        page = visitor.see("/console/codes", plan="FAMILY-PLUS")
        assert "110.00" in page
        assert "Needs prior authorization" in page
        assert "F8735" in visitor.see("/console/codes", plan="NATIONAL")


class TestWebhooks:
    def test_a_receiver_that_is_down_ends_in_dead_letters_and_is_sent_again(self, house: House) -> None:
        visitor = house.signed_in("City Medical Center", "provider", provider="PROV-001")
        visitor.see("/console/webhooks")
        page = visitor.send(
            "/console/webhooks",
            url="http://127.0.0.1:9/webhooks/payor-claims",
            secret="",
            event_claim_status_update="true",
        )
        assert "not shown again" in page
        assert "whsec_" in page
        endpoint = re.search(r"/console/webhooks/([0-9a-f-]{36})/", page)[1]  # type: ignore[index]
        house.submit()
        deadline = time.monotonic() + 20
        while "Send again" not in visitor.see(f"/console/webhooks/{endpoint}", state="dead"):
            assert time.monotonic() < deadline, visitor.page
            time.sleep(0.1)
        assert "whsec_" not in visitor.page
        one = re.search(r'href="([^"]+/deliveries/[^"]+)"', visitor.page)[1]  # type: ignore[index]
        page = visitor.see(one)
        assert page.count("Connection refused") >= 4
        assert "webhook-id" in page
        again = re.search(r'action="([^"]+/requeue)"', visitor.page)[1]  # type: ignore[index]
        assert "all its attempts again" in visitor.send(again)

    def test_test_pause_resume_rotate_replay_delete(self, house: House) -> None:
        visitor = house.signed_in("City Medical Center", "provider", provider="PROV-001")
        visitor.see("/console/webhooks")
        page = visitor.send("/console/webhooks", url="http://127.0.0.1:9/actions", event_payment_processed="true")
        here = "/console/webhooks/" + re.search(r"/console/webhooks/([0-9a-f-]{36})/", page)[1]  # type: ignore[index]
        assert "on its way" in visitor.send(f"{here}/test")
        assert "Make active" in visitor.send(f"{here}/pause")
        assert "Pause" in visitor.send(f"{here}/resume")
        assert "whsec_" in visitor.send(f"{here}/rotate")
        assert "on the way again" in visitor.send(f"{here}/replay", since="2024-01-01T00:00", until="")
        assert "two times" not in visitor.page
        visitor.send(f"{here}/replay", since="2024-01-02T00:00", until="2024-01-01T00:00")
        assert visitor.status == 400
        assert "127.0.0.1:9/actions" not in visitor.send(f"{here}/delete")

    def test_what_is_wrong_with_an_address_is_said(self, house: House) -> None:
        visitor = house.signed_in("City Medical Center", "provider", provider="PROV-001")
        visitor.see("/console/webhooks")
        page = visitor.send("/console/webhooks", url="http://10.0.0.1/x", event_payment_processed="true")
        assert visitor.status == 400
        assert 'aria-invalid="true"' in page
        visitor.send("/console/webhooks", url="http://127.0.0.1:9/x")
        assert visitor.status == 400

    def test_another_providers_endpoint_is_out_of_reach(self, house: House) -> None:
        owner = house.signed_in("City Medical Center", "provider", provider="PROV-001")
        owner.see("/console/webhooks")
        page = owner.send("/console/webhooks", url="http://127.0.0.1:9/hooks", event_payment_processed="true")
        here = "/console/webhooks/" + re.search(r"/console/webhooks/([0-9a-f-]{36})/", page)[1]  # type: ignore[index]
        other = house.signed_in("Lakeside Clinic", "provider", provider="PROV-002")
        assert "127.0.0.1:9/hooks" not in other.see("/console/webhooks")
        hospital = house.signed_in("Hospital", "facility", facility="FID-1")
        assert "127.0.0.1:9/hooks" not in hospital.see("/console/webhooks")
        page = hospital.send("/console/webhooks", url="http://127.0.0.1:9/own", event_payment_processed="true")
        own = "/console/webhooks/" + re.search(r"/console/webhooks/([0-9a-f-]{36})/", page)[1]  # type: ignore[index]
        assert "127.0.0.1:9/own" in hospital.see("/console/webhooks")
        hospital.see(own)
        assert hospital.status == 200
        other.see(here)
        assert other.status in (403, 404)
        other.send(f"{here}/delete")
        assert other.status in (403, 404)


class TestAnswers:
    def test_every_page_carries_the_policy_and_is_not_kept(self, house: House) -> None:
        visitor = house.signed_in("Rita", "reviewer")
        for path in ("/console/claims", "/console/review", "/console/codes", "/console/sign-in", "/console/nothing"):
            headers = visitor.client.get(path).headers
            assert "default-src 'none'" in headers["content-security-policy"], path
            assert "no-store" in headers["cache-control"], path
            assert headers["x-content-type-options"] == "nosniff"

    def test_files_are_kept_for_ever_and_asked_for_once(self, house: House) -> None:
        visitor = house.visitor()
        page = visitor.see("/console/sign-in")
        for address in re.findall(r'(?:href|src)="(/console/static/[^"]+)"', page):
            answer = visitor.client.get(address)
            assert answer.status_code == 200
            assert "immutable" in answer.headers["cache-control"]
            again = visitor.client.get(address, headers={"if-none-match": answer.headers["etag"]})
            assert again.status_code == 304
            assert again.content == b""
        assert visitor.client.get("/console/static/nothing.css").status_code == 404
        assert visitor.client.get("/console/static/..%2Fpages.py").status_code == 404


def test_the_sign_in_page_says_which_key_to_begin_with(house: House) -> None:
    page = house.visitor().see("/console/sign-in")
    assert "Begin with the one named admin" in text_of(page)
    assert 'href="/api/docs/"' in page


def test_a_claim_that_waits_speaks_of_no_decision(house: House) -> None:
    claim_id = house.submit(procedure_code="15776", amount="5000.00")
    said = text_of(house.signed_in("Rita", "reviewer").see(f"/console/claims/{claim_id}"))
    assert "What the steps found" in said
    assert "We pay, if approved as it stands" in said
    assert "How it was decided" not in said


def test_lists_name_the_currency_and_forms_what_they_need(house: House) -> None:
    house.submit()
    visitor = house.signed_in("Rita", "administrator")
    assert "1,250.00 USD" in text_of(visitor.see("/console/claims"))
    form = visitor.see("/console/claims/new")
    assert "Patient name (required)" in text_of(form)
    assert 'placeholder="Example: J20.9"' in form


def test_the_codes_open_on_the_standard_plan(house: House) -> None:
    assert '<option value="STANDARD" selected>' in house.signed_in("Rita", "reviewer").see("/console/codes")
