"""Every generated page: its name under docs/ and its text."""

import importlib
import pkgutil
from pathlib import Path

from pydantic import SecretStr
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings
from scripts.reference.running import commands_page, events_page, metrics_page, opened_system, routes_page
from scripts.reference.tables import code, page, table

import kiungo
from kiungo.app.registry import CLASSES
from kiungo.base.errors import KiungoError, all_codes
from kiungo.kernel.config import PREFIX, Settings


def import_everything() -> None:
    """Load every module, so that what modules register at import is there to be described."""
    for module in pkgutil.walk_packages(kiungo.__path__, "kiungo."):
        if ".migrations." not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def errors_page() -> str:
    """The error categories, and under each its codes."""
    parts = [
        table(
            ["category", "HTTP", "FHIR issue", "retry", "meaning"],
            [
                (kind.category, kind.default_http_status, kind.fhir_issue, kind.retry, (kind.__doc__ or "").strip())
                for kind in KiungoError.__subclasses__()
            ],
        )
    ]
    for kind in KiungoError.__subclasses__():
        rows = [
            (code(found.code), found.http_status, found.summary)
            for found in all_codes().values()
            if found.category is kind
        ]
        parts.append(f"## {kind.category.capitalize()}\n\n" + table(["code", "HTTP", "when"], rows))
    opening = (
        "Every error names the field, the problem and the way out, and carries one of these codes. Codes are stable; "
        "messages are for people and may change. The category alone tells whether to send the same thing again."
    )
    return page("Errors", opening, *parts)


def settings_page() -> str:
    """Every KIUNGO_... variable."""
    rows = _variables(PREFIX, Settings)
    opening = (
        "Read once at start from the environment. A variable that is unknown, empty or of the wrong kind stops "
        "the start with a message that names it. Secrets may also be given by file where a `_FILE` variant is listed."
    )
    heads = ["variable", "default", "meaning"]
    connected = [
        f"## {name}\n\n" + table(heads, _variables(str(kind.model_config["env_prefix"]), kind))
        for name, kind in CLASSES.items()
    ]
    return page(
        "Settings",
        opening,
        table(heads, rows),
        "The next tables are of connectors. A connector is connected when one of its variables is set, and then needs "
        "all that have no default. In dev, those without variables are connected to simulators.",
        *connected,
    )


def _variables(prefix: str, kind: type[BaseSettings]) -> list[tuple[str, str, str]]:
    return [
        (
            code(prefix + name.upper()),
            code("" if field.default in (None, PydanticUndefined) else shown(field.default)) or "unset",
            field.description or "",
        )
        for name, field in kind.model_fields.items()
    ]


def shown(default: object) -> str:
    """A default as it would be written."""
    return "" if isinstance(default, SecretStr) else str(default)


def decisions_page(root: Path) -> str:
    """The list of decisions, from the first line of each."""
    rows = []
    for path in sorted((root / "docs" / "decisions").glob("[0-9]*.md")):
        title = path.read_text().partition("\n")[0].lstrip("# ").partition(". ")[2]
        rows.append((path.name[:4], f"[{title}]({path.name})"))
    opening = (
        "One page each: what was decided, why, what follows, and what enforces it. A decision is changed by a new one. "
        "The tens are areas: 0001-0009 the whole, 0010 the FHIR store, 0020 claims, 0030 access, HTTP and audit, "
        "0040 webhooks, ledger and secrets, 0050 keeping data, 0060 bookings, 0070 settlement, "
        "0080 what the FHIR server understands."
    )
    return page("Decisions", opening, table(["", "decision"], rows))


def pages(root: Path) -> dict[str, str]:
    """Every generated page, by its name under docs/."""
    import_everything()
    with opened_system() as system:
        return {
            "decisions/index.md": decisions_page(root),
            "reference/command-line.md": commands_page(),
            "reference/errors.md": errors_page(),
            "reference/events.md": events_page(system),
            "reference/metrics.md": metrics_page(system),
            "reference/routes.md": routes_page(system),
            "reference/settings.md": settings_page(),
        }
