"""How commands print: tables that fit, records where they would not, numbers with their nouns."""

import pytest
from rich.console import Console

from kiungo.app.cli import output

COLUMNS = ["id", "name", "what happens"]
ROW = ["01a206ee-64d7-7000-9e26-72016b02d68c", "provider [1]", "a word that is followed by a good many other words"]


def printed(monkeypatch: pytest.MonkeyPatch, width: int) -> list[str]:
    console = Console(width=width, record=True, highlight=False, soft_wrap=True)
    monkeypatch.setattr(output, "console", console)
    output.print_table("Keys", COLUMNS, [ROW, [ROW[0], None, 7]])
    return console.export_text().splitlines()


@pytest.mark.parametrize("width", [90, 160])
def test_a_table_folds_long_cells_and_no_id(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    lines = printed(monkeypatch, width)
    assert max(map(len, lines)) <= width
    assert any(ROW[0] in line and ROW[1] in line for line in lines)


def test_a_narrow_terminal_gets_records(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = printed(monkeypatch, 60)
    assert lines[:5] == [
        "Keys",
        "",
        f"  id            {ROW[0]}",
        f"  name          {ROW[1]}",
        f"  what happens  {ROW[2]}",
    ]
    assert lines[5:] == ["", f"  id            {ROW[0]}", "  what happens  7"], "what is empty is not shown"


def test_numbers_have_their_noun() -> None:
    assert [output.counted(n, "row") for n in (0, 1, 2_000)] == ["0 rows", "1 row", "2,000 rows"]
    assert output.counted(2, "entry", "entries") == "2 entries"
