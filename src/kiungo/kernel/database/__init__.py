"""The one door to the database: units of work on SQLite or PostgreSQL, one portable SQL.

    database.write(unit_function)   all or nothing, durable when it returns
    database.read(unit_function)    a consistent snapshot, with a deadline

SQL is written once, with `?` placeholders, for both engines. A unit function takes a `Unit`, may be run again
(after a serialization failure, or when its group was rolled back), and does no outside I/O.
"""

from kiungo.kernel.database.interface import Database, Wakes
from kiungo.kernel.database.migrate import migrate, schema_state
from kiungo.kernel.database.opening import open_database
from kiungo.kernel.database.unit import IntegrityViolation, Unit

__all__ = ["Database", "IntegrityViolation", "Unit", "Wakes", "migrate", "open_database", "schema_state"]
