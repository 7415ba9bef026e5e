"""The dashboard in a real browser: names for every control, contrast, small screens, and the desk's work."""

import pytest
from playwright.sync_api import Browser, Page, expect

from kiungo.base.time import date_of
from tests.console.test_browser import FAINT, NAMELESS, browser, page
from tests.console.vems.conftest import Dashboard
from tests.console.vems.test_pages import contracts_file
from tests.domains.vems.routes.test_statements import camt, statement
from tests.domains.vems.settlement.world import VENDOR

__all__ = ["browser", "page"]  # the console's fixtures, used here by their names

pytestmark = pytest.mark.slow
HOME = "/console/vems"


@pytest.fixture
def places(references: dict[str, str]) -> list[str]:
    booking = references["booking"]
    return [
        HOME, f"{HOME}/bookings", f"{HOME}/bookings/{booking}", f"{HOME}/settlements", f"{HOME}/settlements/{booking}",
        f"{HOME}/payments", f"{HOME}/payments/{references['unknown']}", f"{HOME}/payees", f"{HOME}/payees/{VENDOR}",
        f"{HOME}/rails", f"{HOME}/rails/bank",
    ]  # fmt: skip


def sign_in(page: Page, dashboard: Dashboard, name: str, role: str) -> None:
    page.goto(dashboard.url + "/console/")
    page.get_by_label("API key").fill(dashboard.key(name, role))
    page.keyboard.press("Enter")
    expect(page.get_by_role("navigation", name="Equipment")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_has_a_name_can_be_read_and_fits_a_phone(
    page: Page, dashboard: Dashboard, places: list[str], scheme: str
) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    for role, seen in (
        ("settlement_officer", places),
        ("contract_manager", [f"{HOME}/contracts", f"{HOME}/contracts/new"]),
    ):
        page.context.clear_cookies()
        sign_in(page, dashboard, "Ada", role)
        for width in (1280, 360):
            page.set_viewport_size({"width": width, "height": 800})
            for place in seen:
                page.goto(dashboard.url + place)
                assert page.evaluate(NAMELESS) == [], place
                assert page.evaluate(FAINT) == [], place
                assert page.evaluate("document.documentElement.scrollWidth") <= width, place


def test_two_persons_close_an_unknown_payment(
    page: Page, browser: Browser, dashboard: Dashboard, references: dict[str, str]
) -> None:
    sign_in(page, dashboard, "Ann", "settlement_officer")
    page.get_by_role("link", name="Outcome unknown").click()
    page.get_by_role("link", name=references["unknown"]).click()
    page.get_by_label("Outcome").select_option("paid")
    page.get_by_label("Evidence").fill("The vendor's bank confirms it, letter 7")
    page.get_by_role("button", name="Propose").click()
    expect(page.get_by_text("Your proposal is kept.")).to_be_visible()
    expect(page.get_by_role("button", name="Confirm")).to_have_count(0)
    second = browser.new_context().new_page()
    sign_in(second, dashboard, "Ben", "settlement_officer")
    second.goto(f"{dashboard.url}{HOME}/payments/{references['unknown']}")
    second.get_by_role("button", name="Confirm: paid").click()
    expect(second.get_by_text("Closed.")).to_be_visible()
    expect(second.get_by_role("heading", name="Posted")).to_be_visible()
    expect(second.get_by_text("Proposed paid")).to_be_visible()
    second.context.close()


def test_the_list_of_bookings_narrows_while_typing(
    page: Page, dashboard: Dashboard, references: dict[str, str]
) -> None:
    sign_in(page, dashboard, "Ada", "settlement_officer")
    page.get_by_role("link", name="Bookings").click()
    page.evaluate("window.stillHere = true")
    page.get_by_label("Find").press_sequentially("CLAIM-LOST")
    expect(page.get_by_role("link", name="VB")).to_have_count(1)
    page.get_by_label("Approval").select_option("rejected")
    expect(page.get_by_text("No booking fits")).to_be_visible()
    assert page.evaluate("window.stillHere") is True


def test_the_charts_say_in_words_what_they_draw(page: Page, dashboard: Dashboard, references: dict[str, str]) -> None:
    sign_in(page, dashboard, "Ada", "settlement_officer")
    expect(page.get_by_role("img", name="F8736: 2 delivered")).to_be_visible()
    expect(page.get_by_role("img", name="2026-05: claimed to decided")).to_be_visible()
    page.get_by_role("link", name="30 days").click()
    expect(page.get_by_role("link", name="30 days")).to_have_attribute("aria-current", "true")


def test_a_contract_is_edited(page: Page, dashboard: Dashboard, references: dict[str, str]) -> None:
    sign_in(page, dashboard, "Max", "contract_manager")
    page.get_by_role("link", name="Contracts").click()
    page.get_by_role("link", name="F8735").first.click()
    page.get_by_label("Every mode: vendor").fill("9000.00")
    page.get_by_label("Every mode: facility").fill("5500.00")
    page.get_by_role("button", name="Save as version").click()
    expect(page.get_by_text("Saved. Bookings already made keep what they were made by.")).to_be_visible()
    expect(page.get_by_label("Every mode: facility")).to_have_value("5500.00")


def test_files_of_contracts_and_statements_are_handed_in(
    page: Page, dashboard: Dashboard, references: dict[str, str]
) -> None:
    sign_in(page, dashboard, "Max", "contract_manager")
    page.get_by_role("link", name="Contracts").click()
    page.get_by_label("CSV file").set_input_files({"name": "c.csv", "mimeType": "text/csv", "buffer": b"facility\nF\n"})
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_text("Nothing was written.")).to_be_visible()
    body = contracts_file()
    page.get_by_label("CSV file").set_input_files({"name": "c.csv", "mimeType": "text/csv", "buffer": body})
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_text("Contracts in the file: 1, all written.")).to_be_visible()
    page.context.clear_cookies()
    sign_in(page, dashboard, "Ann", "settlement_officer")
    page.goto(f"{dashboard.url}{HOME}/rails/bank")
    sent = camt(statement((888_000, "", "SOMEBODY"), day=date_of(dashboard.office.world.clock.now_us()), number=88))
    page.get_by_label("Statement", exact=True).set_input_files(
        {"name": "STM.xml", "mimeType": "application/xml", "buffer": sent}
    )
    page.get_by_role("button", name="Take it in").click()
    expect(page.get_by_text("Taken in: 1 new lines")).to_be_visible()
    expect(page.get_by_text("SOMEBODY")).to_be_visible()
