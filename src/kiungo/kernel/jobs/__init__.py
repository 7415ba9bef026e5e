"""Durable jobs in the same database and transaction as their cause and their effect.

    enqueue     in the unit of work that is the reason for the job
    handler     runs outside the database, with a lease; returns the effect as a function of a unit
    effect      commits together with the acknowledgement, and only while the lease's fence holds

So the effect in the database happens once. An outside call happens at least once: whoever makes one writes its intent
first and treats an unknown outcome as unknown. Failures back off with full jitter and end as dead letters with a
reason, which an operator can requeue.
"""

from kiungo.kernel.jobs.handler import Dead, Effect, Handler, Retry
from kiungo.kernel.jobs.queue import (
    DeadJob,
    Job,
    dead_letters,
    discard,
    enqueue,
    lag_s,
    requeue,
)

__all__ = [
    "Dead",
    "DeadJob",
    "Effect",
    "Handler",
    "Job",
    "Retry",
    "dead_letters",
    "discard",
    "enqueue",
    "lag_s",
    "requeue",
]
