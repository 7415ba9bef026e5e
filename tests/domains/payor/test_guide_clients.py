"""The guide's own JavaScript, taken from the guide and run unchanged with node."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.domains.payor.serving import Served, served

GUIDE_TEXT = Path(__file__).parents[3].parent / "shared" / "source-documents" / "004_2ff735423bcaac2b.txt"
NODE = shutil.which("node")

pytestmark = [
    pytest.mark.skipif(NODE is None, reason="node is not installed"),
    pytest.mark.skipif(not GUIDE_TEXT.exists(), reason="the provider guide is not beside this checkout"),
]


@pytest.fixture
def site(database_url: str, tmp_path: Path) -> Iterator[Served]:
    with served(database_url, tmp_path / "data") as running:
        yield running


def blocks() -> list[str]:
    """The guide's JavaScript examples."""
    return re.findall(r"```javascript\n(.*?)```", GUIDE_TEXT.read_text(encoding="utf-8"), re.DOTALL)


def block_with(text: str) -> str:
    return next(block for block in blocks() if text in block)


def run(tmp_path: Path, source: str) -> str:
    script = tmp_path / "client.mjs"
    script.write_text(source, encoding="utf-8")
    done = subprocess.run([str(NODE), str(script)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def test_the_complete_integration_example_submits_its_claim(site: Served, tmp_path: Path) -> None:
    source = block_with("class PayorClaimsAPI").replace("http://localhost:8000", site.url)
    printed = run(tmp_path, source)
    assert "status: 'approved'" in printed
    assert "expected_payment: 1000" in printed
    assert "patient_responsibility: 250" in printed


def test_the_test_cases_hold_without_any_key(site: Served, tmp_path: Path) -> None:
    client = block_with("class PayorClaimsAPI").split("// Usage Example")[0]
    harness = (
        """
    const payorAPI = new PayorClaimsAPI('SITE/api');
    const tests = [];
    const describe = (_name, body) => body();
    const test = (name, body) => tests.push([name, body]);
    const fail = (why) => { throw new Error(why); };
    const expect = (value) => ({
      toBe: (wanted) => value === wanted || fail(`${value} is not ${wanted}`),
      rejects: { toThrow: async (part) => {
        let error = null;
        try { await value; } catch (caught) { error = caught; }
        if (!error || !error.message.includes(part)) fail(`${error} does not say ${part}`);
      } },
    });
    """
    ).replace("SITE", site.url)
    ending = "\nfor (const [name, body] of tests) { await body(); console.log('passed', name); }"
    printed = run(tmp_path, client + harness + block_with("describe('Payor Claims API Integration'") + ending)
    assert printed.count("passed") == 3


def test_the_poller_sees_a_decision_and_stops(site: Served, tmp_path: Path) -> None:
    body = {
        "patient_name": "John Doe",
        "insurance_id": "BC-789-456",
        "diagnosis_code": "Z51.12",
        "procedure_code": "15776",
        "amount": "5000.00",
    }
    claim_id = site.post("/api/claims/", body).json()["claim"]["claim_id"]
    client = block_with("class PayorClaimsAPI").split("// Usage Example")[0]
    poller = block_with("class ClaimStatusPoller").split("// Usage")[0]
    ending = f"""
    const api = new PayorClaimsAPI('{site.url}/api');
    const poller = new ClaimStatusPoller(api, 50);
    poller.startPolling('{claim_id}');
    await fetch('{site.url}/api/review/claims/{claim_id}/approve', {{
      method: 'POST', body: '{{}}',
      headers: {{'Content-Type': 'application/json', 'X-API-Key': '{site.keys["reviewer"]}'}} }});
    """
    assert f"Claim {claim_id} status changed to: approved" in run(tmp_path, client + poller + ending)


def test_the_guides_handler_understands_every_status(site: Served, tmp_path: Path) -> None:
    client = block_with("class PayorClaimsAPI").split("// Usage Example")[0]
    handler = block_with("async function processClaim")
    ending = f"""
    const payorAPI = new PayorClaimsAPI('{site.url}/api', null, 'PROV-001');
    const updateClaimStatus = (id, status) => console.log('updated', status);
    const scheduleStatusCheck = (id) => console.log('polling', id);
    const handleClaimRejection = (claim) => console.log('handled', claim.rejection_reason);
    const claim = {{patient_name: 'John Doe', insurance_id: 'BC-789-456', diagnosis_code: 'J20.9',
                    procedure_code: '99213', amount: '1250.00'}};
    await processClaim(claim);
    await processClaim({{...claim, procedure_code: '15776'}});
    await processClaim({{...claim, date_of_service: '2019-05-05'}});
    """
    printed = run(tmp_path, client + handler + ending)
    assert "Expected payment: $1000" in printed
    assert "Review reason: Procedure not covered under patient's current plan" in printed
    assert "handled The service of 2019-05-05 was given before cover began on 2020-01-01" in printed
