"""The newest book of each facility, loaded again only when its contracts or the master data changed."""

import threading
from dataclasses import dataclass

from kiungo.domains.vems.model import FacilityBook
from kiungo.domains.vems.store import contracts
from kiungo.domains.vems.store.contracts import Versions
from kiungo.kernel.database import Unit

BOOKS_MAX = 5_000


@dataclass(frozen=True, slots=True)
class DatedBook:
    """A book and the versions it was made of."""

    book: FacilityBook
    versions: Versions


class Books:
    """Books by tenant and facility. Safe from any thread."""

    def __init__(self) -> None:
        self._loaded: dict[tuple[int, str], DatedBook] = {}
        self._lock = threading.Lock()

    def current(self, unit: Unit, tenant: int, fr_code: str) -> DatedBook | None:
        """The facility's book as this unit sees it, or None when no such facility is enabled."""
        versions = contracts.versions_of(unit, tenant, fr_code)
        if versions is None:
            return None
        key = (tenant, fr_code)
        known = self._loaded.get(key)
        if known is not None and known.versions == versions:
            return known
        book = contracts.load_book(unit, tenant, fr_code)
        if book is None:
            return None
        return self._keep(key, DatedBook(book, versions))

    def _keep(self, key: tuple[int, str], dated: DatedBook) -> DatedBook:
        """Remember a book; only newer ones replace what is kept, so a reader of an old snapshot does no harm."""
        with self._lock:
            known = self._loaded.get(key)
            if known is None or known.versions < dated.versions:
                while len(self._loaded) >= BOOKS_MAX:
                    del self._loaded[next(iter(self._loaded))]
                self._loaded[key] = dated
        return dated

    def forget(self) -> None:
        """Let every book go; for a unit that loaded a book of versions it then rolled back."""
        with self._lock:
            self._loaded.clear()
