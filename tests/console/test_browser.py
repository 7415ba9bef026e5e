"""The pages in a real browser: script, policy, keyboard, small screens. Skipped where Chromium is not installed."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.console.conftest import House, running_house

pytestmark = pytest.mark.slow

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# A name for every control, from its label or its own words.
NAMELESS = """() => [...document.querySelectorAll('input:not([type=hidden]), select, textarea, button, a')]
  .filter(e => !(e.labels && e.labels.length) && !e.textContent.trim() && !e.getAttribute('aria-label'))
  .map(e => e.outerHTML)"""
# Text against its background, by the formula of WCAG 2; the nearest opaque background counts.
FAINT = """() => {
  const rgb = c => (c.match(/[\\d.]+/g) || []).map(Number)
  const light = c => { const [r, g, b] = rgb(c).map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126*r + 0.7152*g + 0.0722*b }
  const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor
    if (c.startsWith('rgb(')) return c } return 'rgb(255, 255, 255)' }
  return [...document.querySelectorAll('body *')].filter(e =>
      [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) && e.offsetParent !== null)
    .map(e => { const [a, b] = [light(getComputedStyle(e).color), light(behind(e))]
      return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.outerHTML.slice(0, 90)] })
    .filter(([ratio]) => ratio < 4.5)
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def open_house(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("console")
    shutil.copy(sqlite_template, folder / "kiungo.db")
    with running_house(f"sqlite:///{folder / 'kiungo.db'}", folder) as house:
        yield house


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh window; whatever the browser complains about (policy, script, missing files) fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB", timezone_id="UTC")
    page = context.new_page()
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and "status of 4" not in message.text:
            complaints.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert not complaints


def sign_in(page: Page, house: House, name: str, role: str, **bindings: str) -> None:
    page.goto(house.url + "/console/")
    page.get_by_label("API key").fill(house.key(name, role, **bindings))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Claims")).to_be_visible()


def test_a_hospital_submits_by_keyboard_and_reads_where_every_cent_goes(page: Page, open_house: House) -> None:
    sign_in(page, open_house, "City Medical Center", "provider", provider="PROV-001")
    page.get_by_role("link", name="Submit a claim").click()
    page.get_by_label("Patient name").focus()
    for text in ("John Doe", "BC-789-456", "J20.9", "99213", "1250.00"):
        page.keyboard.type(text)
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The claim is on file.")).to_be_visible()
    total = page.get_by_role("row", name="Total")
    expect(total).to_contain_text("1,250.00")
    expect(total).to_contain_text("1,000.00")
    page.reload()
    expect(page.get_by_role("row", name="Total")).to_contain_text("250.00")


def test_the_browser_holds_back_what_is_missing(page: Page, open_house: House) -> None:
    sign_in(page, open_house, "City Medical Center", "provider", provider="PROV-001")
    page.goto(open_house.url + "/console/claims/new")
    page.get_by_role("button", name="Submit claim").click()
    assert page.evaluate("document.activeElement.id") == "patient_name"
    assert page.url.endswith("/console/claims/new")


def test_the_list_narrows_while_typing_without_loading_the_page(page: Page, open_house: House) -> None:
    first = open_house.submit(insurance_id="BC-789-457", patient_name="Jane Doe", amount="31.00")
    open_house.submit(amount="32.00")
    sign_in(page, open_house, "Rita", "reviewer")
    page.evaluate("window.stillHere = true")
    page.get_by_label("Find").press_sequentially("BC-789-457")
    expect(page.get_by_role("link", name="CLM-")).to_have_count(1)
    expect(page.get_by_role("link", name=first)).to_be_visible()
    assert "q=BC-789-457" in page.url
    assert page.evaluate("window.stillHere") is True
    page.get_by_label("Status").select_option("rejected")
    expect(page.get_by_text("No claim fits")).to_be_visible()
    page.get_by_role("link", name="Show all claims").click()
    expect(page.get_by_label("Find")).to_have_value("")


def test_a_reviewer_takes_a_claim_and_approves_a_part(page: Page, open_house: House) -> None:
    claim = open_house.submit(procedure_code="15776", amount="4000.00")
    sign_in(page, open_house, "Rita", "reviewer")
    page.get_by_role("link", name="Review desk").click()
    page.get_by_role("button", name=f"Take {claim}").click()
    page.get_by_role("link", name="Mine").click()
    page.get_by_role("link", name=claim).click()
    page.get_by_label("Allow for 15776").fill("1000.00")
    page.get_by_label("Note the provider will read").fill("One session was needed")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("Approved.", exact=True)).to_be_visible()
    expect(page.get_by_role("row", name="Total")).to_contain_text("3,000.00")
    expect(page.get_by_text("One session was needed").first).to_be_visible()


def test_the_code_sheet_is_searched_while_typing(page: Page, open_house: House) -> None:
    sign_in(page, open_house, "Rita", "reviewer")
    page.get_by_role("link", name="Codes").click()
    page.get_by_label("Find").press_sequentially("asthma")
    expect(page.get_by_role("rowheader", name="J45.9")).to_be_visible()
    expect(page.get_by_role("rowheader", name="99213")).to_have_count(0)


def test_a_webhook_is_added_tested_and_its_dead_letter_sent_again(page: Page, open_house: House) -> None:
    sign_in(page, open_house, "City Medical Center", "provider", provider="PROV-001")
    page.get_by_role("link", name="Webhooks").click()
    page.get_by_label("Address").fill("http://127.0.0.1:9/webhooks/payor-claims")
    page.get_by_role("button", name="Add endpoint").click()
    expect(page.get_by_text("not shown again")).to_be_visible()
    page.get_by_role("button", name="Send a test").click()
    expect(page.get_by_text("A test delivery is on its way.")).to_be_visible()
    page.get_by_role("link", name="Dead letters").click()
    again = page.get_by_role("button", name="Send again")
    for _ in range(100):
        if again.count():
            break
        page.wait_for_timeout(200)
        page.reload()
    again.first.click()
    expect(page.get_by_text("all its attempts again")).to_be_visible()


PAGES = ("/console/claims", "/console/claims/new", "/console/review", "/console/codes", "/console/webhooks")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_has_a_name_and_can_be_read(page: Page, open_house: House, scheme: str) -> None:
    claim = open_house.submit(procedure_code="15776", amount="777.00")
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(open_house.url + "/console/sign-in")
    assert page.evaluate(NAMELESS) == []
    assert page.evaluate(FAINT) == []
    sign_in(page, open_house, "Ada", "administrator")
    for path in (*PAGES, f"/console/claims/{claim}"):
        page.goto(open_house.url + path)
        assert page.evaluate(NAMELESS) == [], path
        assert page.evaluate(FAINT) == [], path


def test_no_page_is_wider_than_a_phone(page: Page, open_house: House) -> None:
    claim = open_house.submit(procedure_code="15776", amount="778.00")
    page.set_viewport_size({"width": 360, "height": 740})
    sign_in(page, open_house, "Ada", "administrator")
    for path in (*PAGES, f"/console/claims/{claim}"):
        page.goto(open_house.url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
    page.goto(open_house.url + "/console/webhooks")
    page.get_by_label("Address").fill("http://127.0.0.1:9/webhooks/payor-claims-with-a-very-long-address-indeed")
    page.get_by_label("Provider").fill("PROV-002")
    page.get_by_role("button", name="Add endpoint").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_pages_work_without_script(browser: Browser, open_house: House) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, open_house, "Rita", "reviewer")
    page.get_by_label("Find").fill("nothing like it")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("No claim fits")).to_be_visible()
    context.close()
