"""The examples of the pages, taken from the pages: claims, files and what they say comes back."""

import json
import re
import shlex

import httpx

from kiungo.app.demo.receiver import Receiver, receiver
from kiungo.client import verify_webhook
from kiungo.domains.payor import stated as claim_body
from kiungo.domains.payor.imports.kinds import BUILDERS
from kiungo.domains.vems import sample as booking_sample
from kiungo.domains.vems import stated as booking_body
from kiungo.domains.vems.model import ANY_MODE
from tests.architecture.source import ROOT
from tests.console.conftest import House, house

__all__ = ["house"]  # the console's fixture, used here by its name

TOLD_RECEIVER = "http://127.0.0.1:3000/webhooks/payor-claims"
CURL_OPTIONS = {"-H", "-d", "-X", "--data-binary"}


def blocks(page: str, language: str = "") -> list[str]:
    """The code blocks of a page."""
    text = (ROOT / page).read_text()
    return [re.sub(r"\\\n\s*", " ", found) for found in re.findall(rf"```{language}\n(.*?)```", text, re.S)]


def curl(client: httpx.Client, line: str, **variables: str) -> httpx.Response:
    """Send what a curl line would send. Only the options our pages use."""
    for name, value in variables.items():
        line = line.replace(f"${name}", value)
    words = shlex.split(line)[1:]
    method, content, headers, address = None, None, {}, ""
    position = 0
    while position < len(words):
        word = words[position]
        if word in CURL_OPTIONS:
            position += 1
            value = words[position]
            if word == "-H":
                name, _, text = value.partition(": ")
                headers[name] = text
            elif word == "-X":
                method = value
            else:
                content = value
        elif not word.startswith("-"):
            address = re.sub(r"^http://127\.0\.0\.1:8000", "", word)
        position += 1
    return client.request(method or ("POST" if content else "GET"), address, content=content, headers=headers)


def curls(page: str) -> list[str]:
    return [line for block in blocks(page) for line in re.findall(r"^curl (?:[^\n']|'[^']*')+", block, re.M)]


def test_the_readmes_claim_is_decided_as_it_says(house: House) -> None:
    with httpx.Client(base_url=house.url, timeout=20) as client:
        answer = curl(client, curls("README.md")[0]).json()
    assert answer["status"] == "approved"
    assert answer["claim"]["expected_payment"] == 1000
    assert answer["claim"]["patient_responsibility"] == 250
    said = (ROOT / "README.md").read_text()
    assert "1000.00 to be paid, 250.00 left to the patient" in said


def test_the_tutorial_happens_as_it_is_told(house: House) -> None:
    """After the README, whose claim a reader has sent before."""
    key = house.key("Ada", "administrator")
    webhook, approved, explanation, pended, wrong = curls("docs/tutorials/first-claim.md")
    with receiver() as hospital, httpx.Client(base_url=house.url, timeout=20) as client:
        curl(client, curls("README.md")[0])
        assert curl(client, webhook.replace(TOLD_RECEIVER, hospital.url), URL="", KEY=key).status_code == 201
        first = curl(client, approved, URL="")
        assert first.status_code == 201
        assert first.json()["status"] == "approved"
        assert first.json()["claim"]["expected_payment"] == 800
        assert first.json()["claim"]["patient_responsibility"] == 200
        claim_id = first.json()["claim"]["claim_id"]
        assert heard(hospital, claim_id) == ["submitted", "approved"]
        again = curl(client, approved, URL="")
        assert again.status_code == 200
        assert again.json()["claim"]["claim_id"] == claim_id
        explained = curl(client, explanation, URL="", KEY=key, CLAIM=claim_id).json()
        assert explained["balanced"] is True
        assert curl(client, pended, URL="").json()["status"] == "under_review"
        refused = curl(client, wrong, URL="")
        assert refused.status_code == 404
        assert refused.json()["error_code"] == "INSURANCE_NOT_FOUND"


def heard(hospital: Receiver, claim_id: str) -> list[str]:
    """The two deliveries a decided claim has, by their status, each with a genuine signature."""
    arrived = hospital.wait_for(2)
    events = [verify_webhook(one.headers, one.body, "my-webhook-secret").event for one in arrived]
    return [event["status"] for event in events if event["claim_id"] == claim_id]


def test_the_files_of_the_import_page_are_imported_in_their_order(house: House) -> None:
    page = "docs/how-to/import-a-plan.md"
    text = (ROOT / page).read_text()
    names = re.findall(r"^`([a-z-]+)\.csv`: ", text, re.M)
    files = dict(zip(names, blocks(page, "csv"), strict=True))
    assert list(files) == re.findall(r"^kiungo payor import (\S+) ", text, re.M)
    key = house.key("Ada", "administrator")
    with httpx.Client(base_url=house.url, timeout=20) as client:
        for kind, content in files.items():
            assert kind in BUILDERS
            answer = client.post(
                f"/api/admin/imports/{kind}", content=content, headers={"X-API-Key": key, "Content-Type": "text/csv"}
            )
            assert answer.status_code == 200, answer.text
            assert answer.json() == {"written": content.count("\n") - 1}
        claim = {
            "patient_name": "Wanjiru Njeri",
            "insurance_id": "SV-100-001",
            "diagnosis_code": "J20.9",
            "procedure_code": "99213",
            "amount": "3000.00",
        }
        decided = client.post("/api/claims/", content=json.dumps(claim), headers={"X-API-Key": key}).json()
        assert decided["status"] == "approved"


def test_the_review_pages_line_approves_a_part(house: House) -> None:
    claim_id = house.submit(procedure_code="15776", amount="5000.00")
    line = curls("docs/how-to/review-a-claim.md")[0].replace("CLM-20241003-DEF456", claim_id)
    with httpx.Client(base_url=house.url, timeout=20) as client:
        answer = curl(client, line, URL="", REVIEWER_KEY=house.key("Rita", "reviewer"))
    assert answer.status_code == 200, answer.text
    assert '"approved"' in answer.text
    assert "800.00" in answer.text


def test_the_booking_tutorials_bodies_are_a_booking_and_its_claim() -> None:
    book, claim = (
        shlex.split(line.replace("$DAY", "2026-11-23").replace("$BOOKING", "VB0123456789AB"))[-1]
        for line in curls("docs/tutorials/first-booking.md")
        if " -d " in line
    )
    asked, sent = booking_body.parse(book.encode()), claim_body.parse(claim.encode())
    sample = {contract.service: contract for contract in booking_sample.CONTRACTS}
    rates = [sample[service.code].terms[ANY_MODE] for service in asked.services]
    assert sum(part.minor for terms in rates for part in (terms.vendor, terms.facility, terms.fee)) == 3_100_000  # type: ignore[union-attr]
    assert (asked.facility, asked.patient) == (booking_sample.FACILITY.fr_code, sent.insurance_id)
    assert [line.procedure for line in sent.lines] == [service.code for service in asked.services]
