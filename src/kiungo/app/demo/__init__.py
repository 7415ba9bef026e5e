"""`kiungo demo`: the platform's stories, told over real HTTP with every figure checked."""

from collections.abc import Callable

import httpx
from rich.console import Console

from kiungo.app.demo.bookings import tell_bookings
from kiungo.app.demo.claims import StoryBroken, tell_claims
from kiungo.app.demo.stage import Stage, stage
from kiungo.app.demo.story import Story
from kiungo.app.system import System

__all__ = ["run"]

STORIES: tuple[Callable[[Story, Stage], None], ...] = (tell_claims, tell_bookings)


def run(console: Console | None, *, prepare: Callable[[System], None] | None = None) -> Story:
    """Tell every story, on a console when given; the result knows which figures are wrong.

    `prepare` may change the sample data before the story begins, as its own test does.
    """
    story = Story(console)
    with stage(prepare=prepare) as here:
        for tell in STORIES:
            try:
                tell(story, here)
            except (StoryBroken, httpx.HTTPError, KeyError, TypeError, ValueError) as error:
                story.check("the story went on to its end", f"{type(error).__name__}: {error}", "yes")
            story.finish()
    return story
