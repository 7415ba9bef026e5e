"""The table of commands says what the commands say, and help imports none of them."""

import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from kiungo.app.cli import COMMANDS, app, fhir

HEAVY = {"fastapi", "jinja2", "sqlalchemy", "psycopg", "cryptography", "httpx", "rich", "kiungo.app.system"}


@pytest.mark.parametrize("table", [COMMANDS, fhir.COMMANDS], ids=["kiungo", "fhir"])
def test_every_entry_names_a_command_and_the_help_of_a_group_is_its_own(table) -> None:
    commands = app_commands() if table is COMMANDS else app_commands()["fhir"].commands
    assert list(commands) == list(table)
    for name, entry in table.items():
        command = commands[name]
        assert command.name == name
        if hasattr(command, "commands"):
            assert command.help == entry.help
        else:
            assert command.callback.__doc__
            assert command.get_short_help_str(200) == entry.help


@pytest.mark.parametrize("words", [["--help"], ["fhir", "--help"]])
def test_help_imports_no_command(words: list[str]) -> None:
    program = (
        "import sys\nfrom kiungo.app.cli import main\nsys.argv = ['kiungo', *sys.argv[1:]]\n"
        f"try:\n    main()\nfinally:\n    assert not {HEAVY} & set(sys.modules), {HEAVY} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    table = fhir.COMMANDS if "fhir" in words else COMMANDS
    assert all(f"  {name} " in done.stdout and entry.help in done.stdout for name, entry in table.items())


def test_an_unknown_command_is_refused_with_the_nearest_name() -> None:
    done = CliRunner().invoke(app, ["fhr"])
    assert done.exit_code == 2
    assert "Did you mean 'fhir'?" in done.output


def app_commands():
    return typer.main.get_command(app).commands
