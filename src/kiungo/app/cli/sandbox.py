"""`kiungo sandbox`: the simulated outside by itself, and its faults while it runs."""

import os
import shlex
import signal
import threading
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from kiungo.app.cli.output import EXIT_AWAY, console, fail, print_json, print_table, readable_errors
from kiungo.app.connecting import variables
from kiungo.app.registry import FollowSettings
from kiungo.app.sandbox import HOST, Sandbox
from kiungo.kernel import json
from kiungo.kernel.config import load_settings

TIMEOUT_S = 10.0

commands = typer.Typer(help="The simulated outside systems, and their faults.", invoke_without_command=True)
Port = Annotated[int | None, typer.Option("--port", min=0, max=65_535, help="Another port than KIUNGO_SANDBOX_PORT.")]
JsonOption = Annotated[bool, typer.Option("--json", help="For machines.")]


@commands.callback()
def start(
    context: typer.Context,
    port: Port = None,
    seed: Annotated[int | None, typer.Option(help="Draw faults by this seed, to meet the same ones again.")] = None,
    platform: Annotated[
        str, typer.Option(help="Where a platform is that is to be called back.")
    ] = "http://127.0.0.1:8000",
    env: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Write the variables that connect a platform to this file.")
    ] = None,
) -> None:
    """Start the simulated registry, payer, M-Pesa, bank, SMS and mail alone, until stopped with Ctrl-C."""
    if context.invoked_subcommand is not None:
        return
    with readable_errors():
        sandbox = Sandbox(_port(port), seed=seed)
    try:
        settings = sandbox.settings(platform.rstrip("/"), "", follow=FollowSettings())
        found = variables(settings, but=("hcms", "follow", "settle"))
        console.print(
            f"The simulated outside runs at {sandbox.url}  (mail at {HOST}:{sandbox.smtp.port})", markup=False
        )
        if env is not None:
            _write_private(env, "".join(f"{name}={shlex.quote(value)}\n" for name, value in found.items()))
            console.print(f"Connect a platform to it:  set -a; . {shlex.quote(str(env))}; kiungo dev", markup=False)
        else:
            console.print("Connect a platform to it with --env FILE.", markup=False)
        console.print("Faults:  kiungo sandbox faults, kiungo sandbox plan, kiungo sandbox calm", markup=False)
        _wait_for_the_end()
    finally:
        sandbox.close()


@commands.command("faults", short_help="Show what can go wrong, and what did.")
def show(port: Port = None, as_json: JsonOption = False) -> None:
    """Every fault of every simulated system: how often it is planned or drawn, and how often it has struck."""
    _show(_ask("GET", "/faults/", _port(port)), as_json=as_json, only_set=False)


@commands.command("plan", short_help="Let a fault strike the next times, or at a rate.")
def plan(
    twin: Annotated[str, typer.Argument(help="Which system: afyalink, bank, mpesa, sha, sms or smtp.")],
    fault: Annotated[str, typer.Argument(help="Which fault; `kiungo sandbox faults` lists them.")],
    times: Annotated[int, typer.Option(min=1, max=1_000, help="At the next so many occasions.")] = 1,
    rate: Annotated[
        float | None, typer.Option(min=0, max=1, help="By chance at each occasion instead, 0 to 1.")
    ] = None,
    port: Port = None,
    as_json: JsonOption = False,
) -> None:
    """Let a fault strike at the next occasions, or by chance at each."""
    asked: dict[str, Any] = {"twin": twin, "fault": fault} | ({"times": times} if rate is None else {"rate": rate})
    _show(_ask("POST", "/faults/", _port(port), asked), as_json=as_json, only_set=True)


@commands.command("calm", short_help="No more faults from now on.")
def calm(port: Port = None, as_json: JsonOption = False) -> None:
    """Forget every planned fault and every rate."""
    _show(_ask("POST", "/faults/calm", _port(port)), as_json=as_json, only_set=True)


def _port(port: int | None) -> int:
    with readable_errors():
        return load_settings(mode="dev").sandbox_port if port is None else port


def _ask(method: str, path: str, port: int, body: dict[str, Any] | None = None) -> dict[str, Any]:
    url = f"http://{HOST}:{port}{path}"
    try:
        answer = httpx.request(method, url, json=body, timeout=TIMEOUT_S, trust_env=False)
    except httpx.HTTPError:
        fail(
            f"no simulated systems answer at http://{HOST}:{port}",
            hint="Start them with `kiungo dev` or `kiungo sandbox`, or name their port with --port",
            code=EXIT_AWAY,
        )
    said: dict[str, Any] = json.loads(answer.content)
    if answer.status_code != 200:
        fail(str(said.get("error")), hint="`kiungo sandbox faults` lists them all")
    return said


def _show(said: dict[str, Any], *, as_json: bool, only_set: bool) -> None:
    if as_json:
        print_json(said)
        return
    rows = [
        [twin, name, fault["what"], fault["planned"] or "", fault["rate"] or "", fault["struck"] or ""]
        for twin, faults in said["twins"].items()
        for name, fault in faults.items()
        if not only_set or fault["planned"] or fault["rate"]
    ]
    print_table("Faults", ["system", "fault", "what happens", "planned", "rate", "struck"], rows)


def _write_private(path: Path, text: str) -> None:
    """Secrets are in it, if only simulated ones: readable by its owner alone."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def _wait_for_the_end() -> None:
    ended = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: ended.set())
    while not ended.wait(1.0):
        continue
