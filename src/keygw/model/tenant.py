"""Tenants: the makers and fleets that share one gateway, and never see each other."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_TENANT = "default"
"""The one that there always is: all of a gateway with one maker belongs to it."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """``id``: ``default`` or ``ten_...``. Vehicles, apps, people and operators belong to one, and stay with it;
    everything else belongs to the tenant of its vehicle, app or device. ``created_at``: Unix seconds."""

    id: str
    name: str
    created_at: int
