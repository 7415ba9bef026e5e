"""FHIR packages installed for a tenant, their conformance resources, and the profiles its writes must meet."""

from kiungo.kernel.migrations.ddl import run

revision = "0013"
down_revision = "0009"


def upgrade() -> None:
    run(
        """CREATE TABLE fhir_package (
            tn INTEGER NOT NULL,
            name TEXT NOT NULL,
            version TEXT NOT NULL,
            digest TEXT NOT NULL,
            resources INTEGER NOT NULL,
            depends_on TEXT NOT NULL,
            installed_us BIGINT NOT NULL,
            PRIMARY KEY (tn, name, version)
        )""",
        """CREATE TABLE fhir_package_resource (
            tn INTEGER NOT NULL,
            type TEXT NOT NULL,
            url TEXT NOT NULL,
            resource_version TEXT NOT NULL,
            package TEXT NOT NULL,
            package_version TEXT NOT NULL,
            body {BYTES} NOT NULL,
            PRIMARY KEY (tn, type, url, package, package_version)
        )""",
        "CREATE INDEX fhir_package_resource_package ON fhir_package_resource (tn, package, package_version)",
        """CREATE TABLE fhir_must_conform (
            tn INTEGER NOT NULL,
            type TEXT NOT NULL,
            profile TEXT NOT NULL,
            set_us BIGINT NOT NULL,
            PRIMARY KEY (tn, type, profile)
        )""",
    )
