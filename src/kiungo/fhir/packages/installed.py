"""The packages a tenant installed, and their conformance resources."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kiungo.base.errors import NotFound, define
from kiungo.fhir.packages.archive import Manifest
from kiungo.kernel import json

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

PACKAGE_UNKNOWN = define("PACKAGE_UNKNOWN", NotFound, "No package of this name and version is installed.")
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Installed:
    """A package of a tenant. Units: `installed_us` microseconds UTC."""

    name: str
    version: str
    digest: str
    resources: int
    depends_on: tuple[str, ...]
    installed_us: int


def install(unit: "Unit", tenant: int, manifest: Manifest, resources: Sequence[Json]) -> Installed:
    """Keep a package; one of the same name and version is replaced, so installing twice is installing once."""
    unit.lock(f"fhir package {tenant} {manifest.name}")
    _clear(unit, tenant, manifest.name, manifest.version)
    rows = {
        (str(one["resourceType"]), str(one["url"])): (
            tenant,
            one["resourceType"],
            one["url"],
            str(one.get("version", "")),
            manifest.name,
            manifest.version,
            json.dumps(one),
        )
        for one in resources
    }
    unit.many(
        "INSERT INTO fhir_package_resource (tn, type, url, resource_version, package, package_version, body) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        list(rows.values()),
    )
    unit.execute(
        "INSERT INTO fhir_package (tn, name, version, digest, resources, depends_on, installed_us) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            tenant,
            manifest.name,
            manifest.version,
            manifest.digest,
            len(rows),
            " ".join(manifest.depends_on),
            unit.now_us,
        ),
    )
    return Installed(manifest.name, manifest.version, manifest.digest, len(rows), manifest.depends_on, unit.now_us)


def remove(unit: "Unit", tenant: int, name: str, version: str) -> None:
    """Take a package out. Raises: NotFound PACKAGE_UNKNOWN."""
    unit.lock(f"fhir package {tenant} {name}")
    if not _clear(unit, tenant, name, version):
        raise NotFound(
            PACKAGE_UNKNOWN,
            f"{name[:80]}#{version[:40]} is not installed",
            field="package",
            hint="`kiungo fhir packages` lists what is",
        )


def _clear(unit: "Unit", tenant: int, name: str, version: str) -> bool:
    unit.execute(
        "DELETE FROM fhir_package_resource WHERE tn = ? AND package = ? AND package_version = ?",
        (tenant, name, version),
    )
    return bool(
        unit.execute("DELETE FROM fhir_package WHERE tn = ? AND name = ? AND version = ?", (tenant, name, version))
    )


def packages(unit: "Unit", tenant: int) -> list[Installed]:
    """The packages of a tenant, by name and version."""
    rows = unit.rows(
        "SELECT name, version, digest, resources, depends_on, installed_us FROM fhir_package WHERE tn = ? "
        "ORDER BY name, version",
        (tenant,),
    )
    return [Installed(row[0], row[1], row[2], row[3], tuple(row[4].split()), row[5]) for row in rows]


def missing_dependencies(found: Sequence[Installed]) -> dict[str, list[str]]:
    """For each package what it depends on and is not here; R4's own core counts as here."""
    here = {f"{one.name}#{one.version}" for one in found} | {"hl7.fhir.r4.core#4.0.1"}
    names = {one.name for one in found}
    lacking = {
        f"{one.name}#{one.version}": [d for d in one.depends_on if d not in here and d.partition("#")[0] not in names]
        for one in found
    }
    return {name: rows for name, rows in lacking.items() if rows}
