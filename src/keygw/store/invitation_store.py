"""Invitations in SQL: the parts of the credential service's port that are about them."""

from __future__ import annotations

from dataclasses import replace

from keygw.credentials.invitation import Invitation, InvitationState
from keygw.model.entitlement import Entitlement
from keygw.model.errors import Conflict
from keygw.store.group import Fetch, Row

_INVITATION = """
    SELECT id, vehicle_id, parent_id, app_id, entitlements, created_at, expires_at, secret_hash, code_hash,
           key_expires_at, key_lifetime, label, state, device_key, key_id, wrong_codes, other_claims, version,
           profile
    FROM invitations
"""


class SqlInvitationReads:
    """``InvitationReads`` over whatever answers a statement."""

    _fetch: Fetch

    async def invitation(self, invitation_id: str) -> Invitation | None:
        rows = await self._fetch(f"{_INVITATION} WHERE id = ?", (invitation_id,))
        return _invitation(rows[0]) if rows else None

    async def invitations(self, vehicle_id: str) -> list[Invitation]:
        sql = f"{_INVITATION} WHERE vehicle_id = ? ORDER BY position"
        return [_invitation(row) for row in await self._fetch(sql, (vehicle_id,))]

    async def unsettled_invitations(self, parent_id: str) -> list[Invitation]:
        # The condition is spelled like that of the partial index, or SQLite would not use it.
        sql = f"{_INVITATION} WHERE parent_id = ? AND state IN ('open', 'claimed') ORDER BY position"
        return [_invitation(row) for row in await self._fetch(sql, (parent_id,))]


class SqlInvitationWrites(SqlInvitationReads):
    """``InvitationWrites`` in an open transaction."""

    async def add_invitation(self, invitation: Invitation) -> None:
        rows = await self._fetch(
            "INSERT INTO invitations (id, vehicle_id, parent_id, app_id, entitlements, created_at, expires_at, "
            "secret_hash, code_hash, key_expires_at, key_lifetime, label, state, device_key, key_id, wrong_codes, "
            "other_claims, version, profile) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT DO NOTHING RETURNING id",
            (
                invitation.id,
                invitation.vehicle_id,
                invitation.parent_id,
                invitation.app_id,
                int(invitation.entitlements),
                invitation.created_at,
                invitation.expires_at,
                invitation.secret_hash,
                invitation.code_hash,
                invitation.key_expires_at,
                invitation.key_lifetime,
                invitation.label,
                invitation.state.value,
                invitation.device_key,
                invitation.key_id,
                invitation.wrong_codes,
                invitation.other_claims,
                invitation.version,
                invitation.profile,
            ),
        )
        if not rows:
            raise Conflict("an invitation with this id exists", code="invitation_exists")

    async def save_invitation(self, invitation: Invitation) -> Invitation:
        rows = await self._fetch(
            "UPDATE invitations SET state = ?, device_key = ?, key_id = ?, wrong_codes = ?, other_claims = ?, "
            "version = version + 1 WHERE id = ? AND version = ? RETURNING version",
            (
                invitation.state.value,
                invitation.device_key,
                invitation.key_id,
                invitation.wrong_codes,
                invitation.other_claims,
                invitation.id,
                invitation.version,
            ),
        )
        if not rows:
            raise Conflict(
                "somebody else changed the invitation meanwhile: try again", code="invitation_changed", retryable=True
            )
        return replace(invitation, version=rows[0][0])


def _invitation(row: Row) -> Invitation:
    return Invitation(
        id=row[0],
        vehicle_id=row[1],
        parent_id=row[2],
        app_id=row[3],
        entitlements=Entitlement(row[4]),
        created_at=row[5],
        expires_at=row[6],
        secret_hash=row[7],
        code_hash=row[8],
        key_expires_at=row[9],
        key_lifetime=row[10],
        label=row[11],
        state=InvitationState(row[12]),
        device_key=row[13],
        key_id=row[14],
        wrong_codes=row[15],
        other_claims=row[16],
        version=row[17],
        profile=row[18],
    )
