"""The bridge API for Python programs: async, typed, and careful where a program of one's own seldom is.

A command that may have reached the gateway is asked for again under the same Idempotency-Key, never under another; a
stream of events comes back where it was cut; a refusal is a ``Problem`` with the gateway's own code.

``keygw.client.relay`` is for a phone that holds its device key, and is loaded apart: it takes the key session.
"""

from keygw.client.answers import (
    Capability,
    Check,
    Command,
    Event,
    Key,
    Link,
    OpenSession,
    Pairing,
    Session,
    Signal,
    Vehicle,
)
from keygw.client.bound import BoundAuth, Held, enter
from keygw.client.keygw import Keygw
from keygw.client.problem import KeygwClientError, OauthRefused, Problem, Stranger, Unreachable

__all__ = [
    "BoundAuth",
    "Capability",
    "Check",
    "Command",
    "Event",
    "Held",
    "Key",
    "Keygw",
    "KeygwClientError",
    "Link",
    "OauthRefused",
    "OpenSession",
    "Pairing",
    "Problem",
    "Session",
    "Signal",
    "Stranger",
    "Unreachable",
    "Vehicle",
    "enter",
]
