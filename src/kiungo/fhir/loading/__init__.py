"""Loads files of resources in bulk: prepared in worker processes, written in groups, gone on with where it stopped.

sources    files into parts: lines of NDJSON, or one Bundle, each with a place that can be named again
preparing  a part into prepared resources and refused ones, in a worker process
storing    a prepared part into the store, in one unit of work that also remembers the part
load       the three together
"""

from kiungo.fhir.loading.load import Loaded, Progress, load
from kiungo.fhir.loading.sources import LOAD_FILE_WRONG, find_files

__all__ = ["LOAD_FILE_WRONG", "Loaded", "Progress", "find_files", "load"]
