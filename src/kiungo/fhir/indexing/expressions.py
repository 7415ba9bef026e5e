"""The subset of FHIRPath that search-parameter expressions use, parsed into steps.

Paths, union, `as`/`is`/`ofType`, `where(field='x')`, `where(resolve() is Type)`, `where(hasExtension(url))`,
`extension(url)`, `[n]`, `exists()`, `and`, `!=` with a literal.
Source: FHIRPath N1; FHIR R4 3.1.1.4 (search parameter expressions).
"""

import re
from dataclasses import dataclass

_TOKEN = re.compile(r"\s*(?:'((?:[^'\\]|\\.)*)'|(!=|=|[|().\[\],])|([A-Za-z_][A-Za-z0-9_]*|[0-9]+))")


class NotUnderstood(ValueError):
    """The expression uses FHIRPath beyond the subset."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a path. Shapes: `kind` is child, as, equals, resolves, has_extension, extension or index."""

    kind: str
    name: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Path:
    """Steps from the resource; `test` is "" or, for a boolean expression, "exists and not <literal>"."""

    root: str
    steps: tuple[Step, ...]
    not_equal_to: str | None = None


def parse(expression: str) -> tuple[Path, ...]:
    """The alternatives of an expression. Raises: NotUnderstood."""
    reader = _Reader(expression)
    paths = [reader.alternative()]
    while reader.take("|"):
        paths.append(reader.alternative())
    if reader.peek() is not None:
        raise NotUnderstood(f"{expression!r}: unexpected {reader.peek()}")
    return tuple(paths)


class _Reader:
    """A recursive-descent parser over the expression's tokens."""

    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._tokens: list[tuple[str, str]] = []
        position = 0
        while position < len(expression.rstrip()):
            match = _TOKEN.match(expression, position)
            if match is None:
                raise NotUnderstood(f"{expression!r} at {position}")
            literal, mark, word = match.groups()
            self._tokens.append(
                ("text", literal) if literal is not None else ("mark", mark) if mark else ("word", word)
            )
            position = match.end()
        self._at = 0

    def peek(self) -> str | None:
        """The next token's text, None at the end."""
        return self._tokens[self._at][1] if self._at < len(self._tokens) else None

    def take(self, text: str) -> bool:
        """Step over the next token when it is this one."""
        if self.peek() == text:
            self._at += 1
            return True
        return False

    def _need(self, text: str) -> None:
        if not self.take(text):
            raise NotUnderstood(f"{self._expression!r}: {text} expected, not {self.peek()}")

    def _next(self) -> str:
        found = self.peek()
        if found is None:
            raise NotUnderstood(f"{self._expression!r} ends too soon")
        self._at += 1
        return found

    def alternative(self) -> Path:
        """One path, or `path.exists() and path != literal`."""
        path = self._path()
        if self.take("and"):
            other = self._path()
            self._need("!=")
            if path.steps[:-1] != other.steps or path.steps[-1] != Step("exists", ""):
                raise NotUnderstood(f"{self._expression!r}: only `x.exists() and x != literal`")
            return Path(other.root, other.steps, self._next())
        return path

    def _path(self) -> Path:
        if self.take("("):
            inner = self._path()
            self._need(")")
            root, steps = inner.root, list(inner.steps)
        else:
            root, steps = self._next(), []
        while True:
            if self.take("."):
                steps.append(self._step())
            elif self.take("["):
                steps.append(Step("index", self._next()))
                self._need("]")
            elif self.take("as"):
                steps.append(Step("as", self._next()))
            else:
                return Path(root, tuple(steps))

    def _step(self) -> Step:
        name = self._next()
        if not self.take("("):
            return Step("child", name)
        if name in ("as", "ofType"):
            step = Step("as", self._next())
        elif name == "where":
            step = self._condition()
        elif name == "extension":
            step = Step("extension", self._next())
        elif name == "exists":
            step = Step("exists", "")
        else:
            raise NotUnderstood(f"{self._expression!r}: {name}()")
        self._need(")")
        return step

    def _condition(self) -> Step:
        field = self._next()
        if field == "resolve":
            self._need("(")
            self._need(")")
            self._need("is")
            return Step("resolves", self._next())
        if field == "hasExtension":
            self._need("(")
            url = self._next()
            self._need(")")
            return Step("has_extension", url)
        self._need("=")
        return Step("equals", field, self._next())
