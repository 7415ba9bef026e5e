"""What a job's handler is, and the answers it may give instead of an effect."""

from collections.abc import Awaitable, Callable, Mapping

from kiungo.kernel.database.unit import Unit
from kiungo.kernel.jobs.queue import Job

Effect = Callable[[Unit], object]
Handler = Callable[[Job], Effect | None] | Callable[[Job], Awaitable[Effect | None]]


class Retry(Exception):
    """The attempt failed and another may succeed. Units: `after_s` seconds, or None for the usual backoff."""

    def __init__(self, reason: str, *, after_s: float | None = None, effect: Effect | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after_s = after_s
        self.effect = effect


class Dead(Exception):
    """No further attempt can succeed; the job becomes a dead letter with this reason."""

    def __init__(self, reason: str, *, effect: Effect | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.effect = effect


def handler_of(handlers: Mapping[str, Handler], job: Job, now_us: int) -> Handler:
    """The job's handler. Raises: Dead when its deadline has passed or nobody handles its kind."""
    if job.deadline_us is not None and now_us > job.deadline_us:
        raise Dead("the deadline passed before an attempt succeeded")
    handler = handlers.get(job.kind)
    if handler is None:
        raise Dead(f"no handler for jobs of kind {job.kind}")
    return handler
