"""What kind of actor did it (``model.audit`` says how one is written)."""

from __future__ import annotations

OPERATOR_APP = "operator"
"""The app id under which the operator of a gateway holds keys and reservations."""
KINDS = frozenset({"app", "operator", "device", "vehicle", "link", "system"})


def kind_of(actor: str) -> str:
    """What others are told of it: not which one it was."""
    return actor.partition(":")[0]


def app_actor(app_id: str) -> str:
    """An app that acts for itself, whatever else it may."""
    return f"app:{app_id}"
