"""Charts drawn on the server: bars as SVG, words as ordinary text, so that they read on a phone and without colours."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

WIDTH = 1_000
HEIGHT = 18


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of a bar. Shapes: `tone` is a class of the style sheet; `words` say what it is, with its amount."""

    value: float
    tone: str
    words: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of a chart: what it is about, its parts, and the words at its end."""

    label: str
    segments: Sequence[Segment]
    total: str
    sub: str = ""

    @property
    def value(self) -> float:
        """All parts together."""
        return sum(segment.value for segment in self.segments)


@dataclass(frozen=True, slots=True)
class Row:
    """A bar that is drawn."""

    label: str
    sub: str
    total: str
    drawing: Markup


def rows(bars: Sequence[Bar], *, whole: bool = False) -> list[Row]:
    """Bars on one scale; `whole` stretches each to the full width, for shares of a whole."""
    longest = max((bar.value for bar in bars), default=0)
    return [Row(bar.label, bar.sub, bar.total, _draw(bar, bar.value if whole else longest)) for bar in bars]


def _draw(bar: Bar, scale: float) -> Markup:
    parts, at = [], 0.0
    for segment in bar.segments:
        width = 0.0 if scale <= 0 else WIDTH * segment.value / scale
        if width > 0:
            # Even the smallest part is to be seen, and to be hovered over.
            drawn = min(max(width - 3, 3), WIDTH - at)
            parts.append(
                Markup('<rect class="{}" x="{:.1f}" y="0" width="{:.1f}" height="{}" rx="3"><title>{}</title></rect>')
                .format(segment.tone, at, drawn, HEIGHT, segment.words)
            )  # fmt: skip
            at = min(at + max(width, 6), WIDTH)
    words = ", ".join(segment.words for segment in bar.segments if segment.value > 0) or "nothing"
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}: {}">{}</svg>'
    ).format(WIDTH, HEIGHT, bar.label, words, Markup("").join(parts))
