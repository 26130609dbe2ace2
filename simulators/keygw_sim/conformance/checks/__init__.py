"""Everything that is tried on a vehicle: importing this enters it all in ``bench.CHECKS``."""

from keygw_sim.conformance.checks import (
    air,
    commands,
    fastpath,
    frames,
    handshakes,
    issuers,
    lists,
    pairings,
    rangings,
    sessions,
    times,
)

__all__ = [
    "air",
    "commands",
    "fastpath",
    "frames",
    "handshakes",
    "issuers",
    "lists",
    "pairings",
    "rangings",
    "sessions",
    "times",
]
