"""STYLE.md, as far as a program can read it."""

import ast
import re
from collections.abc import Iterator

from tests.architecture.source import SourceFile, source_files, written_files

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
TRANSACTION_WORDS = re.compile(
    r"\s*(BEGIN( (IMMEDIATE|DEFERRED|EXCLUSIVE|TRANSACTION|ISOLATION).*)?|COMMIT|END( TRANSACTION)?|ROLLBACK.*"
    r"|SAVEPOINT \w+|RELEASE \w+)\s*;?\s*\Z"
)
# A function that takes keyword arguments by any name, and why it may.
OPEN_ENDED = {"kiungo.kernel.config.load_settings": "names are checked against the closed list of settings"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(file: SourceFile) -> Iterator[Function]:
    return (node for node in ast.walk(file.tree) if isinstance(node, Function))


def test_files_have_one_idea() -> None:
    long = [f"{f.shown}: {len(f.lines)} lines" for f in written_files() if len(f.lines) > FILE_LINES_MAX]
    assert not long, f"split these; a file stays under {FILE_LINES_MAX} lines: {long}"


def own_lines(node: Function) -> int:
    """The lines of a function without those of the functions inside it, as a factory of routes has them."""
    inner = (found for found in ast.walk(node) if isinstance(found, Function) and found is not node)
    covered = {line for found in inner for line in range(found.lineno, (found.end_lineno or 0) + 1)}
    return len(set(range(node.lineno, (node.end_lineno or 0) + 1)) - covered)


def test_functions_fit_on_a_screen() -> None:
    long = [
        f"{file.shown}:{node.lineno} {node.name}: {length} lines"
        for file in written_files()
        if ".migrations.versions." not in file.module  # a list of tables reads best in one piece
        for node in functions(file)
        if (length := own_lines(node)) > FUNCTION_LINES_MAX
    ]
    assert not long, f"a function stays under {FUNCTION_LINES_MAX} lines: {long}"


def test_nobody_imports_inside_a_function() -> None:
    hidden = [
        f"{file.shown}:{inner.lineno}"
        for file in source_files()
        for node in functions(file)
        for inner in ast.walk(node)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    ]
    assert not hidden, f"an import inside a function hides an arrow: {hidden}"


def test_nobody_holds_a_lock_while_the_database_answers() -> None:
    """A small unit is suspended on the event loop meanwhile (ADR 0026): another that wants it stops it for ever."""
    held = [
        f"{file.shown}:{inner.lineno}"
        for file in source_files()
        for node in ast.walk(file.tree)
        if isinstance(node, ast.With) and any("lock" in ast.unparse(item.context_expr).lower() for item in node.items)
        for inner in ast.walk(node)
        if (isinstance(inner, ast.Name) and inner.id == "unit")
        or (isinstance(inner, ast.Attribute) and inner.attr in ("database", "_database"))
    ]
    assert not held, f"ask the database before or after the lock: {held}"


def test_no_middleware_that_buffers_every_answer() -> None:
    used = [file.shown for file in source_files() if "BaseHTTPMiddleware" in file.text]
    assert not used, f"five times the cost of a request (ADR 0002): {used}"


def test_only_the_database_begins_and_commits() -> None:
    found = [
        f"{file.shown}:{node.lineno} {node.value[:30]!r}"
        for file in source_files()
        if not file.module.startswith("kiungo.kernel.database")
        for node in ast.walk(file.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and TRANSACTION_WORDS.match(node.value)
    ]
    assert not found, f"only kernel.database begins and commits (ADR 0003): {found}"


def test_nobody_swallows_an_error() -> None:
    swallowed = []
    for file in written_files():
        for node in ast.walk(file.tree):
            if not isinstance(node, ast.ExceptHandler):
                continue
            only_pass = len(node.body) == 1 and isinstance(node.body[0], ast.Pass)
            says_why = "#" in file.lines[node.body[0].lineno - 1]
            if node.type is None or (only_pass and not says_why):
                swallowed.append(f"{file.shown}:{node.lineno}")
    assert not swallowed, f"name the error and say why it may pass: {swallowed}"


def test_contracts_are_spelled_out() -> None:
    open_ended = [
        f"{file.shown}:{node.lineno} {node.name}(**{node.args.kwarg.arg})"
        for file in written_files()
        for node in functions(file)
        if node.args.kwarg is not None
        and (node.args.kwarg.annotation is None or ast.unparse(node.args.kwarg.annotation) in ("Any", "object"))
        and f"{file.module}.{node.name}" not in OPEN_ENDED
    ]
    assert not open_ended, f"name the parameters: {open_ended}"


def test_nothing_is_left_for_later() -> None:
    left = [
        f"{file.shown}:{number}"
        for file in written_files()
        for number, line in enumerate(file.lines, 1)
        if re.search(r"NotImplementedError|\bTODO\b|\bFIXME\b|\bXXX\b(?!X)|\bfor now\b", line)
    ]
    assert not left, f"finish it or take it out: {left}"


def test_no_drawer_for_everything() -> None:
    drawers = [f.shown for f in source_files() if f.path.stem in {"utils", "util", "helpers", "misc", "common"}]
    assert not drawers, f"give these a name that says what they do: {drawers}"


def test_every_folder_says_what_it_is() -> None:
    silent = [
        file.shown
        for file in written_files()
        if file.path.parent.name != "versions" and not ast.get_docstring(file.tree)
    ]
    assert not silent, f"one sentence at the top of the file: {silent}"
    folders = {file.path.parent for file in source_files()}
    unnamed = [str(f) for f in folders if not (f / "__init__.py").exists() and f.name != "versions"]
    assert not unnamed, f"a folder without __init__.py escapes the import contracts: {unnamed}"
