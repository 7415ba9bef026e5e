"""Every module of the benchmarks fits the code it measures."""

import importlib
import pkgutil

import pytest

import benchmarks

NAMES = sorted(
    found.name
    for found in pkgutil.walk_packages(benchmarks.__path__, "benchmarks.")
    if not found.name.endswith("__main__")
)


@pytest.mark.parametrize("name", NAMES)
def test_a_module_can_be_imported(name: str) -> None:
    assert importlib.import_module(name).__doc__
