"""PostgreSQL's errors in the words of the house; the one place that looks at asyncpg's exceptions."""

from __future__ import annotations

import asyncpg  # type: ignore[import-untyped]  # it ships no types

from keygw.model.errors import StoreError
from keygw.store.errors import Duplicate

_ENDED = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.IdleSessionTimeoutError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
_BUSY = (
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    asyncpg.TransactionRollbackError,
    asyncpg.TooManyConnectionsError,
    asyncpg.OutOfMemoryError,
)
_DAMAGED = (asyncpg.DataCorruptedError, asyncpg.IndexCorruptedError)


class ConnectionLost(StoreError):
    """The connection to the database ended, and nothing of what was under way is committed."""

    code = "store_busy"
    retryable = True


def store_error(error: Exception, where: str) -> StoreError | Duplicate | None:
    """What to raise for it; ``None`` if it is no fault of the storage (our own SQL, or a value that does not fit).

    ``where``: the database as it may be shown. ``ConnectionLost`` speaks of a statement; of a COMMIT it may be untrue.
    """
    if isinstance(error, asyncpg.IntegrityConstraintViolationError):
        # Its message would tell values; the constraint's name tells what matters.
        return Duplicate(f"{type(error).__name__}: {error.constraint_name or error.column_name or error.table_name}")
    if isinstance(error, _BUSY):
        return StoreError(f"{where} is too busy ({_reason(error)}): try again", code="store_busy", retryable=True)
    if isinstance(error, asyncpg.DiskFullError):
        return StoreError(f"no space left for {where}; free some", code="store_full", retryable=True)
    if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
        return StoreError(f"{where} takes no writes here: name the primary server")
    if isinstance(error, (asyncpg.InsufficientPrivilegeError, asyncpg.InvalidAuthorizationSpecificationError)):
        return StoreError(f"{where} refuses us ({_reason(error)}): look at user, password and rights")
    if isinstance(error, asyncpg.InvalidCatalogNameError):
        return StoreError(f"{where} does not exist: create it, owned by the user of the gateway")
    if isinstance(error, _DAMAGED):
        return StoreError(f"{where} is damaged ({_reason(error)}): restore a backup")
    if isinstance(error, asyncpg.PostgresSystemError):
        return StoreError(
            f"reading or writing {where} failed ({_reason(error)}): look at its disk", may_have_happened=True
        )
    if isinstance(error, _ENDED):
        return ConnectionLost(f"{where} cannot be reached ({_reason(error)}): is it running? Try again")
    return None


def _reason(error: Exception) -> str:
    """A few words without values: the server's own message names what it was about, which may be a secret."""
    if isinstance(error, asyncpg.PostgresError) and error.sqlstate:
        return f"{type(error).__name__.removesuffix('Error')}, {error.sqlstate}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
