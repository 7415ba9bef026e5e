"""Logs hold known keys only; tracebacks say where, never what."""

import asyncio
import gc
import json
import logging

import pytest
import structlog

from kiungo.kernel.telemetry import configure_logging, redacted_traceback


@pytest.fixture(autouse=True)
def _restore() -> object:
    before, handlers = structlog.get_config(), logging.getLogger().handlers
    yield
    structlog.configure(**before)
    logging.getLogger().handlers = handlers


def test_a_log_line_is_json_with_known_keys_only(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")
    structlog.get_logger().info("claim.stored", request_id="r-1", status=201, patient="John Doe", body={"a": 1})
    line = json.loads(capfd.readouterr().err)
    assert line["event"] == "claim.stored"
    assert (line["request_id"], line["status"], line["dropped_keys"]) == ("r-1", 201, 2)
    assert "John" not in str(line)


@pytest.mark.parametrize(
    "secret",
    ["kgo_1a2b3c4dabcdefghijklmnop", "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln", "postgresql://user:hush@db/kiungo"],
)
def test_what_looks_like_a_credential_is_hidden(capfd: pytest.CaptureFixture[str], secret: str) -> None:
    configure_logging("info", "json")
    structlog.get_logger().info("x", reason=f"failed with {secret}", url={"also": secret})
    written = capfd.readouterr().err
    assert secret not in written
    assert "hush" not in written
    assert "[hidden]" in written


def test_a_librarys_line_passes_without_its_arguments(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")
    logging.getLogger("httpx").warning("cannot read %s", "John Doe")
    logging.getLogger("httpx").info("GET https://example.test/John")
    line = json.loads(capfd.readouterr().err)
    assert (line["name"], line["reason"]) == ("httpx", "cannot read %s")


def test_a_librarys_line_that_was_put_together_before_says_where_it_is_from(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")
    logging.getLogger("httpx").warning(f"cannot read {'John Doe'}")
    line = json.loads(capfd.readouterr().err)
    assert ("John" in str(line), line["reason"].startswith("test_telemetry:")) == (False, True)


def test_a_task_that_failed_unseen_says_so_and_nothing_of_its_error(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")

    async def fails() -> None:
        raise ValueError("John Doe has no cover")

    async def main() -> None:
        task = asyncio.create_task(fails())
        await asyncio.sleep(0)
        del task
        gc.collect()
        await asyncio.sleep(0)

    asyncio.run(main())
    line = json.loads(capfd.readouterr().err)
    assert (line["name"], line["reason"]) == ("asyncio", "Task exception was never retrieved")
    assert "John" not in str(line)


def test_the_level_is_kept(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logging("error", "json")
    structlog.get_logger().warning("x")
    assert capfd.readouterr().err == ""


def test_a_terminal_gets_readable_lines(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    configure_logging("info", "console")
    structlog.get_logger().info("claim.stored", status=201)
    assert "claim.stored" in capfd.readouterr().err


def test_a_traceback_names_places_and_types_only() -> None:
    def fails() -> None:
        try:
            int("John Doe")
        except ValueError as problem:
            raise RuntimeError("John Doe again") from problem

    with pytest.raises(RuntimeError) as caught:
        fails()
    trace = redacted_traceback(caught.value)
    assert "John" not in str(trace)
    assert trace[0] == "RuntimeError"
    assert "ValueError" in trace
    assert any("fails" in line for line in trace)
