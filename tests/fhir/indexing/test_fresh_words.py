"""Words that wait and words in their place: a search finds the same, whatever was changed in between."""

from kiungo.fhir.indexing.fresh_words import TOGETHER, settle_some, settle_words
from tests.fhir.conftest import Server


def patient(name: str, text: str) -> dict[str, object]:
    return {"resourceType": "Patient", "id": name, "name": [{"text": text}]}


def waiting(server: Server) -> int:
    return int(server.database.read(lambda unit: unit.value("SELECT count(*) FROM fhir_fresh_words")))


def test_words_are_found_before_and_after_they_are_put_in_their_place(server: Server) -> None:
    for name, text in (("one", "Amina Wanjiru"), ("two", "Amina Otieno"), ("three", "Ämina Café")):
        assert server.ask("PUT", f"/Patient/{name}", patient(name, text)).status_code == 201
    for _ in range(2):
        assert sorted(server.search_ids("/Patient?_content=amina")) == ["one", "three", "two"]
        assert server.search_ids("/Patient?_content=amina otieno") == ["two"]
        assert server.search_ids("/Patient?_content=cafe") == ["three"]
        assert server.search_ids("/Patient?_content=wan*") == ["one"]
        assert server.search_ids("/Patient?_content=wan") == []
        assert sorted(server.search_ids("/Patient?_content=amina and not wanjiru")) == ["three", "two"]
        assert server.search_ids("/Observation?_content=amina") == []
        settle_words(server.database)
    assert waiting(server) == 0


def test_records_of_money_have_no_words_and_say_so(server: Server) -> None:
    answer = server.ask("GET", "/Claim?_content=amina")
    assert answer.status_code == 400
    assert "does not look into a Claim" in answer.text


def test_a_change_or_deletion_takes_the_old_words_away_wherever_they_are(server: Server) -> None:
    for settles in (False, True):
        for name, text in (("a", "first mango"), ("b", "second mango")):
            server.ask("PUT", f"/Patient/{name}", patient(name, text))
        if settles:
            settle_words(server.database)
        server.ask("PUT", "/Patient/a", patient("a", "third papaya"))
        server.ask("DELETE", "/Patient/b")
        for _ in range(2):
            assert server.search_ids("/Patient?_content=mango") == []
            assert server.search_ids("/Patient?_content=papaya") == ["a"]
            assert server.search_ids("/Patient?_content=third") == ["a"]
            settle_words(server.database)


def test_more_than_one_batch_waits_for_its_turn(server: Server) -> None:
    entries = [
        {"resource": patient(f"p{n}", f"grove tree{n}"), "request": {"method": "PUT", "url": f"Patient/p{n}"}}
        for n in range(TOGETHER + 20)
    ]
    answer = server.ask("POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert answer.status_code == 200
    assert waiting(server) == TOGETHER + 20
    assert server.database.write(settle_some) == TOGETHER
    assert server.search_ids(f"/Patient?_content=tree{TOGETHER + 10}") == [f"p{TOGETHER + 10}"]
    assert server.search_ids("/Patient?_content=tree3") == ["p3"]
    assert settle_words(server.database) == 20
