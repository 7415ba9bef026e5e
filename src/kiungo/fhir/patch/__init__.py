"""Patches as pure functions: a resource and a patch make a new resource; the one given is not touched.

The result is not validated here: whoever stores it does that, and checks id and version.
"""

from kiungo.fhir.patch.fhirpath_patch import fhirpath_patch
from kiungo.fhir.patch.json_patch import json_patch

__all__ = ["fhirpath_patch", "json_patch"]
