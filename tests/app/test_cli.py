"""The command line: what it does, what it says when something is wrong, and its exit codes."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kiungo.app.cli import app
from kiungo.app.cli.output import EXIT_AWAY, EXIT_NO, EXIT_WRONG
from kiungo.kernel import json
from kiungo.kernel.auth.keys import find_by_secret
from kiungo.kernel.auth.roles import all_roles
from kiungo.kernel.database import open_database
from kiungo.kernel.jobs import Dead, enqueue
from kiungo.kernel.jobs.worker import run_due
from tests.app.conftest import Run


def test_a_new_database_is_migrated_once(serving: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIUNGO_DATABASE_URL", f"sqlite:///{tmp_path / 'a' / 'new.db'}")
    runner = CliRunner()
    behind = runner.invoke(app, ["keys", "list"])
    assert (behind.exit_code, "kiungo migrate" in behind.stderr) == (EXIT_WRONG, True)
    first = json.loads(runner.invoke(app, ["migrate", "--json"]).stdout)
    assert (first["from"], first["to"] > "0005") == (None, True)
    assert "already" in runner.invoke(app, ["migrate"]).stdout
    assert runner.invoke(app, ["keys", "list"]).exit_code == 0


def test_a_key_is_made_listed_rotated_and_revoked(run: Run, database_url: str) -> None:
    made = json.loads(run("keys", "create", "ward", "--role", "provider", "--binding", "provider=P1", "--json").stdout)
    (shown,) = json.loads(run("keys", "list", "--json").stdout)
    assert made["key"] not in run("keys", "list").stdout
    assert (shown["prefix"], shown["bindings"], shown["state"]) == (made["key"][:12], "provider=P1", "live")
    assert run("keys", "rotate", made["id"]).exit_code == 0
    assert run("keys", "revoke", made["id"]).exit_code == 0
    database = open_database(database_url)
    found = database.read(lambda unit: find_by_secret(unit, made["key"].encode()))
    database.close()
    assert found is not None
    assert found.revoked_us is not None
    assert run("keys", "revoke", "no-such-key").exit_code == EXIT_WRONG


def test_a_command_of_its_own_process_knows_every_role() -> None:
    """Roles are known once their module is imported, which other tests do; a process of its own has only its own."""
    words = [sys.executable, "-c", "from kiungo.app.cli import main; main()", "keys", "roles", "--json"]
    listed = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
    assert {role["name"] for role in listed} == set(all_roles())
    assert {"administrator", "accountant", "provider", "settlement_officer"} <= set(all_roles())
    assert all(role["summary"] and role["scopes"] for role in listed)


@pytest.mark.parametrize(
    "words",
    [
        ("jobs", "requeue", "99999999999999999999"),
        ("jobs", "discard", "0"),
        ("listen", "--port", "99999"),
        ("dev", "--port", "70000"),
        ("sandbox", "--port", "-1"),
        ("serve", "--port", "65536"),
    ],
)
def test_a_number_that_cannot_be_is_refused_in_words(run: Run, words: tuple[str, ...]) -> None:
    refused = run(*words)
    assert (refused.exit_code, "Invalid value" in refused.stderr) == (EXIT_WRONG, True)


def test_a_backup_to_a_folder_that_is_not_there_is_refused_in_words(run: Run, tmp_path: Path) -> None:
    refused = run("backup", str(tmp_path / "gone" / "b.db"))
    assert (refused.exit_code, "BACKUP_PLACE" in refused.stderr) == (EXIT_WRONG, True)


def test_a_file_that_is_no_database_is_refused_in_words(
    serving: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "notes.db"
    file.write_text("these are my notes, and no database at all\n" * 50)
    monkeypatch.setenv("KIUNGO_DATABASE_URL", f"sqlite:///{file}")
    for words in (["check"], ["keys", "list"], ["migrate"]):
        refused = CliRunner().invoke(app, words)
        assert (refused.exit_code, "is not a SQLite database" in refused.stderr) == (EXIT_AWAY, True), words


def test_a_wrong_binding_or_role_says_the_way_out(run: Run) -> None:
    assert "provider=PROV-001" in run("keys", "create", "x", "--binding", "nonsense").stderr
    wrong = run("keys", "create", "x", "--role", "king")
    assert (wrong.exit_code, "administrator" in wrong.stderr) == (EXIT_WRONG, True)


def test_a_backup_restores_and_never_overwrites(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("keys", "create", "kept", "--role", "auditor")
    file = tmp_path / "copy.kiungo"
    assert run("backup", str(file)).exit_code == 0
    again = run("backup", str(file))
    assert (again.exit_code, "exists" in again.stderr) == (EXIT_WRONG, True)
    refused = run("restore", str(file))
    assert (refused.exit_code, "--replace" in refused.stderr) == (EXIT_WRONG, True)
    monkeypatch.setenv("KIUNGO_DATABASE_URL", f"sqlite:///{tmp_path / 'other.db'}")
    assert run("restore", str(file)).exit_code == 0
    assert [key["name"] for key in json.loads(run("keys", "list", "--json").stdout)] == ["kept"]


def test_a_restore_stops_every_rail_that_has_money_and_says_so(run: Run, database_url: str, tmp_path: Path) -> None:
    run("keys", "create", "kept", "--role", "auditor")
    funding = (
        "INSERT INTO settlement_funding (tn, key, rail, currency, amount_minor, at_us)"
        " VALUES (1, 'fund/A', 'mpesa', 'KES', 100, 0)"
    )
    database = open_database(database_url)
    database.write(lambda unit: unit.execute(funding))
    database.close()
    file = tmp_path / "copy.kiungo"
    assert run("backup", str(file)).exit_code == 0
    done = run("restore", str(file), "--replace")
    assert (done.exit_code, "Nothing is paid by mpesa until you resume" in " ".join(done.stdout.split())) == (0, True)
    database = open_database(database_url)
    reason = database.read(lambda unit: unit.value("SELECT paused_reason FROM settlement_rail WHERE rail = 'mpesa'"))
    database.close()
    assert "restored from a backup" in reason


def test_the_audit_trail_verifies_and_a_change_is_found(run: Run, database_url: str) -> None:
    run("keys", "create", "somebody", "--role", "auditor")
    whole = run("audit", "verify")
    assert whole.exit_code == 0
    assert "The audit trail is whole: " in whole.stdout
    database = open_database(database_url)

    def tamper(unit) -> None:
        if unit.engine == "postgresql":
            unit.execute("ALTER TABLE audit DISABLE TRIGGER USER")
        else:
            unit.execute("DROP TRIGGER audit_refuse_update")
        unit.execute("UPDATE audit SET principal_id = 'somebody else'")

    database.write(tamper)
    database.close()
    assert "The audit trail is BROKEN: " in run("audit", "verify").stdout
    broken = run("audit", "verify", "--json")
    assert broken.exit_code == EXIT_NO
    assert json.loads(broken.stdout)["whole"] is False


def test_dead_jobs_are_listed_requeued_and_discarded(run: Run, database_url: str) -> None:
    def refuse(job):
        raise Dead("the receiver is gone")

    database = open_database(database_url)
    database.write(lambda unit: [enqueue(unit, "sample", {}, tenant=1) for _ in range(2)])
    run_due(database, {"sample": refuse}, __import__("random").Random(1))
    database.close()
    second, first = json.loads(run("jobs", "dead", "--json").stdout)
    assert first["reason"] == "the receiver is gone"
    assert run("jobs", "requeue", str(first["id"])).exit_code == 0
    assert run("jobs", "discard", str(second["id"])).exit_code == 0
    counts = json.loads(run("jobs", "status", "--json").stdout)
    assert counts == [{"kind": "sample", "state": "ready", "count": 1}]
    assert run("jobs", "requeue", "424242").exit_code == EXIT_WRONG


def test_secrets_are_sealed_again_with_the_first_key(run: Run) -> None:
    assert run("secrets", "new-key", "--id", "k7").stdout.startswith("k7:")
    assert "0 secrets" in run("secrets", "rotate").stdout


def test_check_finds_nothing_in_a_fresh_database(run: Run) -> None:
    assert run("check").exit_code == 0


def test_serve_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    answer = CliRunner().invoke(app, ["serve"])
    assert answer.exit_code == EXIT_WRONG
    assert "KIUNGO_SIGNING_KEY" in answer.stderr
    assert "KIUNGO_SECRETS_KEY" in answer.stderr
    assert not list(tmp_path.iterdir()), "a refused start leaves nothing behind"


def test_an_unknown_setting_is_named_with_the_right_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIUNGO_DATABSE_URL", "sqlite:///x")
    answer = CliRunner().invoke(app, ["keys", "list"])
    assert answer.exit_code == EXIT_WRONG
    assert "did you mean KIUNGO_DATABASE_URL" in answer.stderr


def test_a_database_that_is_away_is_told_as_such(serving: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIUNGO_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    answer = CliRunner().invoke(app, ["keys", "list"])
    assert answer.exit_code == EXIT_AWAY
    assert "cannot be opened" in answer.stderr


def test_a_worker_of_its_own_needs_postgresql(serving: None, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KIUNGO_DATABASE_URL", f"sqlite:///{tmp_path / 'a.db'}")
    answer = CliRunner().invoke(app, ["worker"])
    assert (answer.exit_code, "needs PostgreSQL" in answer.stderr) == (EXIT_WRONG, True)


def test_the_version_is_shown() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout.strip() == "0.1.0"


@pytest.mark.parametrize("group", [(), ("payor",), ("jobs",), ("keys",), ("secrets",), ("audit",)])
def test_no_line_of_the_help_is_cut(group: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(app, [*group, "--help"]).stdout
    assert "Commands:" in shown
    commands = shown.partition("Commands:")[2].splitlines()
    assert not [line for line in commands if line.endswith("...")]


def test_a_change_of_a_column_that_is_not_there_names_the_nearest(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "plans.csv"
    file.write_text("plan_id,name,currency,payor_id\nSILVER,Silver cover,KES,PAY001\n")
    assert run("payor", "import", "plans", str(file)).exit_code == 0
    wrong = run("payor", "whatif", "SILVER", "--set", "coins=3")
    assert wrong.exit_code == EXIT_WRONG
    assert "did you mean coinsurance_percent?" in wrong.stderr
    assert "kiungo payor columns plans" in wrong.stderr
