"""The resource browser in a real one: searching without reloading, following references, reading a comparison."""

import pytest
from playwright.sync_api import Page, expect

from tests.console.conftest import House
from tests.console.fhir.test_pages import HEART_RATE, Records
from tests.console.test_browser import FAINT, NAMELESS, browser, open_house, page, sign_in

pytestmark = pytest.mark.slow
__all__ = ["browser", "open_house", "page"]


def test_from_a_search_to_what_changed(page: Page, open_house: House) -> None:
    records = Records(open_house)
    patient = records.patient("Mwangi")
    subject = f"Patient/{patient['id']}"
    made = records.create(HEART_RATE | {"subject": {"reference": subject}})
    records.update(patient | {"birthDate": "1984-02-29"})
    sign_in(page, open_house, "Root", "administrator")
    page.get_by_role("link", name="Records").click()
    page.get_by_label("Type").fill("Observation")
    page.get_by_label("Query").fill(f"subject={subject}")
    page.evaluate("window.stillHere = true")
    page.get_by_label("Explain").check()
    expect(page.get_by_role("heading", name="How this search was run")).to_be_visible()
    assert page.evaluate("window.stillHere")
    assert "explain=1" in page.url
    page.get_by_role("link", name=made["id"]).click()
    expect(page.get_by_role("heading", name="Heart rate")).to_be_visible()
    page.get_by_role("link", name=subject).first.click()
    page.get_by_role("link", name="History").click()
    row = page.get_by_role("row", name="birthDate")
    expect(row).to_contain_text("1984-02-29")
    page.get_by_role("link", name="Validate").click()
    expect(page.get_by_text("Valid", exact=True)).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_readable_and_fits_a_telephone(page: Page, open_house: House, scheme: str) -> None:
    records = Records(open_house)
    patient = records.update(records.patient("Readable") | {"gender": "female"})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    sign_in(page, open_house, "Root", "administrator")
    page.set_viewport_size({"width": 390, "height": 800})
    one = f"/console/fhir/Patient/{patient['id']}"
    for path in (
        "/console/fhir",
        "/console/fhir?type=Patient&explain=1",
        one,
        f"{one}/history",
        f"{one}/validate",
        f"{one}/uscdi",
    ):
        page.goto(open_house.url + path)
        assert page.evaluate(FAINT) == [], path
        assert page.evaluate(NAMELESS) == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
