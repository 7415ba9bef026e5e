"""Whether a text is written in SNOMED CT's Expression Constraint Language; nothing is evaluated.

Source: SNOMED International, Expression Constraint Language 2.2, section 5 (brief syntax); FHIR R4 4.3.1.0.5.
"""

import re

_TOKEN = re.compile(
    r"\s*(?:(/\*.*?\*/)|(\|[^|]*\|)|(\"(?:[^\"\\]|\\.)*\")"
    r"|(<<!|>>!|<<|>>|<!|>!|!!<|!!>|!=|<=|>=|\{\{|\}\}|\.\.|[<>=!^*:,.(){}\[\]])"
    r"|(#[+-]?[0-9]+(?:\.[0-9]+)?)|([A-Za-z][A-Za-z0-9_-]*|[0-9]+))",
    re.DOTALL,
)
_STANDING = frozenset({"<", "<<", "<!", "<<!", ">", ">>", ">!", ">>!", "!!<", "!!>"})
_COMPARING = frozenset({"=", "!=", "<", "<=", ">", ">="})
_WORDS = frozenset({"and", "or", "minus"})
_CONCEPT = re.compile(r"[1-9][0-9]{5,17}").fullmatch
LENGTH_MAX = 10_000
NESTED_MAX = 50


def ecl_problem(text: str) -> str | None:
    """What is wrong with an expression constraint; None when it can be read, or has filters, which are not judged."""
    if len(text) > LENGTH_MAX:
        return f"is longer than {LENGTH_MAX} characters"
    if "{{" in text:
        return None
    tokens: list[str] = []
    position = 0
    while text[position:].strip():
        found = _TOKEN.match(text, position)
        if found is None:
            return f"cannot be read at {text[position:].strip()[:20]!r}"
        if not (found[1] or found[2]):  # comments and terms say nothing
            tokens.append(found[0].strip())
        position = found.end()
    reader = _Reader(tokens)
    try:
        reader.expression()
        reader.end()
    except ValueError as error:
        return str(error)
    return None


class _Reader:
    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def _next(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self, *wanted: str) -> bool:
        if self._next().casefold() in wanted:
            self._at += 1
            return True
        return False

    def _need(self, wanted: str) -> None:
        if not self._take(wanted):
            raise ValueError(f"needs {wanted} before {self._next()[:20] or 'its end'!r}")

    def end(self) -> None:
        if self._next():
            raise ValueError(f"goes on with {self._next()[:20]!r} where it should end")

    def expression(self) -> None:
        """Sub-expressions joined by one kind of word, each with its refinement."""
        self._depth += 1
        if self._depth > NESTED_MAX:
            raise ValueError("is nested too deeply")
        self._refined()
        word = self._next().casefold()
        if word in _WORDS or word == ",":
            while self._take(word):
                self._refined()
                if word == "minus":
                    break
        self._depth -= 1

    def _refined(self) -> None:
        self._sub()
        while self._take("."):
            self._sub()
        if self._take(":"):
            self._refinement()

    def _sub(self) -> None:
        if self._next() in _STANDING:
            self._at += 1
        self._take("^")
        if self._take("("):
            self.expression()
            self._need(")")
        elif not self._take("*"):
            if not _CONCEPT(self._next()):
                raise ValueError(f"needs a concept before {self._next()[:20] or 'its end'!r}")
            self._at += 1

    def _refinement(self) -> None:
        self._part()
        while self._take(",", "and", "or"):
            self._part()

    def _part(self) -> None:
        if self._take("["):
            self._at += 1
            self._need("..")
            self._at += 1
            self._need("]")
        if self._take("{"):
            self._refinement()
            self._need("}")
            return
        if self._next() == "(" and self._is_group():
            self._need("(")
            self._refinement()
            self._need(")")
            return
        self._take("r")
        self._sub()
        if self._next() not in _COMPARING:
            raise ValueError(f"needs a comparison before {self._next()[:20] or 'its end'!r}")
        self._at += 1
        if self._next()[:1] in ("#", '"') or self._next().casefold() in ("true", "false"):
            self._at += 1
        else:
            self._sub()

    def _is_group(self) -> bool:
        """Whether the bracket holds attributes, rather than the name of one: it does when a comparison is inside."""
        depth = 0
        for part in self._tokens[self._at :]:
            depth += (part == "(") - (part == ")")
            if part in ("=", "!=") and depth == 1:
                return True
            if depth == 0:
                return False
        return False
