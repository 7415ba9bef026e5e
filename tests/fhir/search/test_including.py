"""`:iterate` follows references as far as they go, ends in circles, and says where it stopped."""

from kiungo.fhir.search import includes
from tests.fhir.conftest import Server


def line(server: Server, length: int, *, closed: bool = False) -> None:
    """Organizations each part of the next; closed, the last is part of the first."""
    for number in range(length):
        above = number + 1 if number + 1 < length else 0 if closed else None
        body = {"resourceType": "Organization", "id": f"o{number}", "name": f"o{number}"}
        part_of = {} if above is None else {"partOf": {"reference": f"Organization/o{above}"}}
        assert server.ask("PUT", f"/Organization/o{number}", {**body, **part_of}).status_code == 201


def found(server: Server) -> tuple[list[str], bool]:
    path = "/Organization?_id=o0&_include=Organization:partof&_include:iterate=Organization:partof"
    entries = server.ask("GET", path).json()["entry"]
    ids = [entry["resource"].get("id", "") for entry in entries if entry["search"]["mode"] != "outcome"]
    return ids, any(entry["search"]["mode"] == "outcome" for entry in entries)


def test_references_are_followed_to_their_end(server: Server) -> None:
    line(server, 8)
    assert found(server) == ([f"o{n}" for n in range(8)], False)


def test_a_circle_ends(server: Server) -> None:
    line(server, 3, closed=True)
    assert found(server) == (["o0", "o1", "o2"], False)


def test_a_chain_beyond_the_bound_is_cut_and_said(server: Server) -> None:
    line(server, includes.ITERATIONS_MAX + 3)
    ids, is_told = found(server)
    assert (len(ids), is_told) == (includes.ITERATIONS_MAX + 1, True)
