"""The pages that need the system itself: routes, events, commands and metrics."""

import asyncio
import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import typer
from scripts.reference.tables import code, page, table

from kiungo.app import money
from kiungo.app.cli import app as commands
from kiungo.app.flows import flows
from kiungo.app.system import System, open_system
from kiungo.domains.payor import events
from kiungo.domains.vems import events as booking_events
from kiungo.domains.vems.listening import BOOKING_STATUS_UPDATE
from kiungo.kernel.config import load_settings

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_TOPIC = re.compile(r"^ {4}([a-z_]+\.[a-z_]+)\s+(.+)$", re.M)
_FAMILY = re.compile(r"^# HELP (\S+) (.+)\n# TYPE \S+ (\S+)$", re.M)


@contextmanager
def opened_system() -> Iterator[System]:
    """The whole system on an empty database in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(
            mode="dev",
            data_dir=Path(folder),
            database_url=f"sqlite:///{folder}/reference.db",
            metrics_public=True,
            log_level="error",
        )
        system = open_system(settings)
        try:
            yield system
        finally:
            system.close()


def routes_page(system: System) -> str:
    """Every route with its scope, in groups by the beginning of its path."""
    groups: dict[str, list[Sequence[object]]] = {}
    documented = json.loads(_get(system, "/api/openapi.json"))["paths"]
    ordered = sorted(system.site.endpoints, key=lambda e: (e.template, METHODS.index(e.method)))
    for endpoint in ordered:
        if endpoint.template == "/metrics":
            continue
        operation = documented.get(endpoint.template, {}).get(endpoint.method.lower(), {})
        summary = operation.get("summary") or _first_line(endpoint.handler)
        scope = "public" if endpoint.public else code(endpoint.scope)
        row = (code(f"{endpoint.method} {endpoint.template}"), scope, summary)
        groups.setdefault(_group(endpoint.template), []).append(row)
    parts = [
        f"## {name}\n\n" + table(["route", "scope", "what it does"], rows) for name, rows in sorted(groups.items())
    ]
    opening = (
        "Every route needs a credential with its scope, unless it says *public*. The trailing slash never matters. "
        "Bodies and answers with their schemas are at `/api/docs/` of a running installation. `/metrics` needs "
        "`read:metrics`, unless `KIUNGO_METRICS_PUBLIC` is set."
    )
    return page("Routes", opening, *parts)


def _first_line(handler: Any) -> str:
    return (getattr(handler, "__doc__", None) or "").strip().partition("\n")[0]


def _get(system: System, *paths: str) -> str:
    """The last of these addresses, asked for in order."""

    async def ask() -> str:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(system.site), base_url="http://kiungo") as client:
            return [(await client.get(path)).text for path in paths][-1]

    return asyncio.run(ask())


def _group(path: str) -> str:
    parts = [part for part in path.split("/") if part]
    if not parts or len(parts) == 1:
        return "/"
    return f"/{parts[0]}/{parts[1]}" if parts[0] == "api" else f"/{parts[0]}"


def events_page(system: System) -> str:
    """Every event, what it means, and who hears of it."""
    meanings = {
        **dict(_TOPIC.findall(events.__doc__ or "")),
        **dict(_TOPIC.findall(booking_events.__doc__ or "")),
        **dict(_TOPIC.findall(money.__doc__ or "")),
    }
    rows = [
        (code(topic), meanings.get(topic, ""), _heard_by(subscribers))
        for topic, subscribers in sorted(flows(system.webhooks, system.vems, system.money).items())
    ]
    opening = (
        "Inside, parts tell each other of changes by events, written in the transaction of the change. Who hears of "
        "which is one screen, `src/kiungo/app/flows.py`. Outside, providers subscribe to webhook events; see "
        "[verify webhooks](../how-to/verify-webhooks.md)."
    )
    webhook_rows = [
        (code(events.CLAIM_STATUS_UPDATE), "a claim was submitted, pended, decided, asked about or voided"),
        (code(events.PAYMENT_PROCESSED), "a payment run paid a claim"),
        (
            code(BOOKING_STATUS_UPDATE),
            "a booking of the facility was made or changed, or its claim was decided or paid",
        ),
        (code("ping"), "a test somebody asked for"),
    ]
    return page(
        "Events",
        opening,
        "## Inside\n\n" + table(["event", "meaning", "heard by"], rows),
        "## Webhooks\n\n" + table(["event", "when"], webhook_rows),
    )


def _heard_by(subscribers: Sequence[Any]) -> str:
    return ", ".join(code(_name(subscriber)) for subscriber in subscribers) or "nobody; it is kept"


def _name(subscriber: Any) -> str:
    return str(getattr(subscriber, "__qualname__", type(subscriber).__name__)).partition(".")[0]


def commands_page() -> str:
    """Every command with its arguments and options."""
    root = typer.main.get_command(commands)
    parts = []
    for name, command in _walk(root, "kiungo"):
        rows = [
            (code(", ".join(sorted((*p.opts, *p.secondary_opts), key=len))), _help_of(p))
            for p in command.params
            if p.name not in ("help", "install_completion", "show_completion")
        ]
        text = " ".join((command.help or "").split())
        parts.append(f"## {name}\n\n{text}\n" + (f"\n{table(['argument or option', 'meaning'], rows)}" if rows else ""))
    opening = "`kiungo --help` says the same. Settings come from the environment; see [settings](settings.md)."
    return page("Command line", opening, *parts)


def _help_of(parameter: Any) -> str:
    text = str(getattr(parameter, "help", None) or "")
    default = parameter.default
    shown = not callable(default) and default not in (None, False, (), "") and isinstance(default, str | int | float)
    return f"{text} Default: {default}." if shown else text


def _walk(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    inner: Mapping[str, Any] = getattr(command, "commands", {})
    if not inner:
        yield name, command
    for key in sorted(inner):
        if not inner[key].hidden:
            yield from _walk(inner[key], f"{name} {key}")


def metrics_page(system: System) -> str:
    """Every family the running system shows."""
    shown = _get(system, "/livez", "/metrics")
    rows = [(code(name), kind, text) for name, text, kind in sorted(_FAMILY.findall(shown))]
    opening = (
        "In the Prometheus format at `/metrics`. Labels hold path templates and names of queues, never ids of records "
        "or people."
    )
    return page("Metrics", opening, table(["metric", "kind", "meaning"], rows))
