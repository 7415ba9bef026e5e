"""Attachments: what they say of their size must be true."""

from kiungo.fhir.profiles.findings import At, Json
from kiungo.fhir.profiles.run import Run


def check_attachment(o: Json, at: At, run: Run) -> None:
    """The stated size is that of the data, unless the data are only referred to. Source: FHIR R4 Attachment.size."""
    size, data = o.get("size"), o.get("data")
    if size.__class__ is not int or data.__class__ is not str:
        return
    plain = "".join(data.split())
    actual = len(plain) * 3 // 4 - (len(plain) - len(plain.rstrip("=")))
    if actual != size:
        run.error("structure", at, f"says its size is {size} bytes, but its data has {actual}")
