"""Rows as a Parquet file, written by DuckDB: columns typed by the view, compressed, read by every analytics engine.

DuckDB comes with the extra `parquet`; without it everything else of views works.
"""

from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

from kiungo.base.errors import Unsupported, define
from kiungo.fhir.views.model import Column, View
from kiungo.fhir.views.output import Rows, ndjson_chunks

PARQUET_NOT_INSTALLED = define("PARQUET_NOT_INSTALLED", Unsupported, "Parquet needs the extra `parquet`.")
OBJECT_BYTES_MAX = 64 * 1024 * 1024
_TYPES = {
    "boolean": "BOOLEAN",
    "integer": "BIGINT",
    "integer64": "BIGINT",
    "positiveInt": "BIGINT",
    "unsignedInt": "BIGINT",
    "decimal": "DOUBLE",
}


def write_parquet(view: View, rows: Rows, target: Path) -> None:
    """Write rows to a file. Dates stay texts as FHIR has them: `2024-05` is a date too.

    Raises: Unsupported PARQUET_NOT_INSTALLED.
    """
    duckdb = _duckdb()
    with TemporaryDirectory(prefix="kiungo-view-") as folder:
        between = Path(folder) / "rows.ndjson"
        with between.open("wb") as file:
            file.writelines(ndjson_chunks(view, rows))
        columns = ", ".join(f"{column.name!r}: '{sql_type(column)}'" for column in view.columns)
        with duckdb.connect(":memory:") as connection:
            connection.execute("SET threads = 1")
            connection.execute(
                f"COPY (SELECT * FROM read_json(?, format = 'newline_delimited', columns = {{{columns}}}, "
                f"maximum_object_size = {OBJECT_BYTES_MAX})) TO '{_quoted(target)}' (FORMAT parquet, COMPRESSION zstd)",
                [str(between)],
            )


def _duckdb() -> ModuleType:
    """The extra, imported where it is first needed: it weighs twenty megabytes and half a second."""
    try:
        return import_module("duckdb")
    except ImportError as error:
        raise Unsupported(
            PARQUET_NOT_INSTALLED, "Parquet needs DuckDB", hint="Install it with: pip install 'kiungo[parquet]'"
        ) from error


def sql_type(column: Column) -> str:
    """The type of a column in the file."""
    name = _TYPES.get(column.type.rpartition("/")[2], "VARCHAR")
    return f"{name}[]" if column.is_collection else name


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
