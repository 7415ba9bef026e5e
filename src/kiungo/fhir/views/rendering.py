"""Rows as one body in any of the formats."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from kiungo.fhir.views.model import View
from kiungo.fhir.views.output import Format, csv_chunks, json_chunks, ndjson_chunks
from kiungo.fhir.views.parquet import write_parquet


def rendered(view: View, rows: Sequence[list[Any]], wanted: Format, *, header: bool = True) -> bytes:
    """The rows as bytes. Raises: Unsupported PARQUET_NOT_INSTALLED."""
    if wanted == "csv":
        return b"".join(csv_chunks(view, rows, header=header))
    if wanted == "ndjson":
        return b"".join(ndjson_chunks(view, rows))
    if wanted == "json":
        return b"".join(json_chunks(view, rows))
    with TemporaryDirectory(prefix="kiungo-view-") as folder:
        target = Path(folder) / "rows.parquet"
        write_parquet(view, rows, target)
        return target.read_bytes()
