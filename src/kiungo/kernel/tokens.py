"""One access token shared by every process, for outside systems where a new token ends the one before.

A row holds the token, sealed. Whoever finds it expired or refused takes the right to renew it (a lease on the row) and
asks outside any unit, then keeps what it got; everybody else waits a moment and reads again.
"""

from dataclasses import dataclass

from kiungo.base.errors import Fault
from kiungo.base.time import SECOND_US
from kiungo.kernel.database import Database, Unit
from kiungo.kernel.secrets import SECRET_UNREADABLE, Keyring

RENEWAL_LEASE_S = 20
EARLY_S = 30


@dataclass(frozen=True, slots=True)
class SharedToken:
    """A token and its generation, which counts how often it was renewed."""

    value: str
    generation: int


class TokenKeeper:
    """The shared token of one outside account. Shapes: `name` such as "rail/collections"."""

    def __init__(self, database: Database, keyring: Keyring, tenant: int, name: str) -> None:
        self._database = database
        self._keyring = keyring
        self._tenant = tenant
        self._name = name

    def current(self) -> SharedToken | None:
        """The token while it is valid, or None when it has to be renewed."""
        try:
            return self._database.read(self._read)
        except Fault as error:
            if error.code != SECRET_UNREADABLE:
                raise
        # Sealed with a key that was taken out of the keyring: a new token costs nothing.
        self._database.write(
            lambda unit: unit.execute(
                "UPDATE shared_token SET expires_us = 0 WHERE tn = ? AND name = ?", (self._tenant, self._name)
            )
        )
        return None

    def may_renew(self, refused: SharedToken | None) -> bool:
        """Take the right to renew; False when somebody else has it, or has renewed since `refused` was read."""
        return self._database.write(lambda unit: self._lease(unit, refused.generation if refused else None))

    def keep(self, value: str, lifetime_s: int) -> SharedToken:
        """Keep a renewed token for everybody."""
        return self._database.write(lambda unit: self._store(unit, value, lifetime_s))

    def give_back(self) -> None:
        """Give up the right to renew, because the outside did not answer."""
        self._database.write(
            lambda unit: unit.execute(
                "UPDATE shared_token SET renewing_until_us = 0 WHERE tn = ? AND name = ?", (self._tenant, self._name)
            )
        )

    def _read(self, unit: Unit) -> SharedToken | None:
        row = unit.row(
            "SELECT envelope, generation, expires_us FROM shared_token WHERE tn = ? AND name = ?",
            (self._tenant, self._name),
        )
        if row is None or row[0] == "" or row[2] <= unit.now_us + EARLY_S * SECOND_US:
            return None
        return SharedToken(self._keyring.open(self._tenant, self._secret_name(), row[0]).decode(), row[1])

    def _lease(self, unit: Unit, refused_generation: int | None) -> bool:
        unit.execute(
            "INSERT INTO shared_token (tn, name, envelope, generation, expires_us, renewing_until_us)"
            " VALUES (?, ?, '', 0, 0, 0) ON CONFLICT (tn, name) DO NOTHING",
            (self._tenant, self._name),
        )
        unneeded = "generation = ?" if refused_generation is not None else "expires_us <= ?"
        known = refused_generation if refused_generation is not None else unit.now_us + EARLY_S * SECOND_US
        taken = unit.execute(
            "UPDATE shared_token SET renewing_until_us = ?"
            f" WHERE tn = ? AND name = ? AND renewing_until_us < ? AND {unneeded}",
            (unit.now_us + RENEWAL_LEASE_S * SECOND_US, self._tenant, self._name, unit.now_us, known),
        )
        return taken == 1

    def _store(self, unit: Unit, value: str, lifetime_s: int) -> SharedToken:
        envelope = self._keyring.seal(self._tenant, self._secret_name(), value.encode())
        generation = unit.value(
            "UPDATE shared_token SET envelope = ?, generation = generation + 1, expires_us = ?, renewing_until_us = 0"
            " WHERE tn = ? AND name = ? RETURNING generation",
            (envelope, unit.now_us + lifetime_s * SECOND_US, self._tenant, self._name),
        )
        return SharedToken(value, int(generation))

    def _secret_name(self) -> str:
        return f"token/{self._name}"
