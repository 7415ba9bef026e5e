"""The arrows that import-linter's contracts cannot draw."""

import ast
import re
import sys

from tests.architecture.source import SourceFile, source_files, written_files

# Spoken only above the kernel: it moves scopes, bindings and bytes, and does not know what they are about.
HEALTHCARE = re.compile(
    r"\b(patient|practitioner|diagnos|adjudicat|encounter|insur|icd-?10|cpt\b|payor|copay|deductible)",
    re.IGNORECASE,
)
# SMART's scopes are an OAuth vocabulary, and one of its three levels happens to be called "patient".
SMART_LEVEL = "kiungo.kernel.auth"


def imports_of(file: SourceFile) -> set[str]:
    """Every dotted name a file imports, each `from a import b` as both `a` and `a.b`."""
    names: set[str] = set()
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def test_base_needs_the_standard_library_only() -> None:
    foreign = {
        name
        for file in source_files()
        if file.module.startswith("kiungo.base")
        for name in imports_of(file)
        if name.partition(".")[0] not in sys.stdlib_module_names and not name.startswith("kiungo.base")
    }
    assert not foreign


def test_connectors_do_not_know_each_other_and_twins_do_not_know_theirs() -> None:
    """A twin that shared its connector's mapping would share its misreadings."""
    wrong = []
    for file in source_files():
        parts = file.module.split(".")
        if parts[:2] != ["kiungo", "connectors"] or len(parts) < 3:
            continue
        own = ".".join(parts[:3])
        for name in imports_of(file):
            foreign = name.startswith("kiungo.connectors.") and not name.startswith(own)
            from_twin = parts[-1] == "twin" and name.startswith((f"{own}.client", f"{own}.mapping"))
            if foreign or from_twin:
                wrong.append(f"{file.module} -> {name}")
    assert not wrong


def test_client_knows_base_and_formats_only() -> None:
    wrong = [
        f"{file.module} -> {name}"
        for file in source_files()
        if file.module.startswith("kiungo.client")
        for name in imports_of(file)
        if name.startswith("kiungo.")
        and not name.startswith(("kiungo.base", "kiungo.formats", "kiungo.client", "kiungo.__version__"))
    ]
    assert not wrong


def test_the_console_holds_no_sql_and_no_rules() -> None:
    """Pages may name the values a store keeps, and call services; nothing else of what is below."""
    wrong = [
        f"{file.module} -> {node.module}.{alias.name}"
        for file in source_files()
        if file.module.startswith("kiungo.console")
        for node in ast.walk(file.tree)
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
        if re.match(r"kiungo\.(kernel\.database\.\w|domains\.\w+\.rules)", f"{node.module}.")
        or (re.match(r"kiungo\.domains\.\w+\.store", node.module) and not alias.name[0].isupper())
    ]
    assert not wrong
    said = [
        f"{file.shown}:{node.lineno}"
        for file in source_files()
        if file.module.startswith("kiungo.console")
        for node in ast.walk(file.tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE)\s", node.value)
    ]
    assert not said, f"pages call services: {said}"


def docstrings(tree: ast.Module) -> set[int]:
    """The identities of the constants that are docstrings."""
    owners = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    return {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, owners) and node.body and isinstance(node.body[0], ast.Expr)
    }


def test_the_kernel_speaks_no_healthcare() -> None:
    spoken = []
    for file in written_files():
        if not file.module.startswith("kiungo.kernel") or ".migrations.versions" in file.module:
            continue
        prose = docstrings(file.tree)
        for node in ast.walk(file.tree):
            words = ""
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
                words = node.value
            elif isinstance(node, ast.Name | ast.arg | ast.Attribute):
                words = node.id if isinstance(node, ast.Name) else getattr(node, "arg", "")
                words = words or getattr(node, "attr", "")
            if file.module.startswith(SMART_LEVEL):
                words = re.sub(r"\bpatient\b", "", words, flags=re.IGNORECASE)
            if HEALTHCARE.search(words.replace("_", " ")):
                spoken.append(f"{file.shown}:{getattr(node, 'lineno', 0)} {words[:40]!r}")
    assert not spoken, f"the kernel moves things; it does not know what they are about: {spoken}"
