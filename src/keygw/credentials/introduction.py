"""How vehicles learn a new issuer key: the statement that the key before signs, and the vehicle's word that it has it.

The statement is made when the new key begins to sign, and not before: a vehicle that has heard of a next key lets the
former one decide less (``protocols/key_session``). What a vehicle has acknowledged is what it holds, forwards and back.
"""

from __future__ import annotations

from keygw.credentials.issuer_keys import IssuerKeyRecord
from keygw.credentials.issuer_ports import StatementRecord
from keygw.credentials.ports import CredentialReads, CredentialTransaction
from keygw.credentials.values import Issuer
from keygw.model.errors import Conflict, TokenError
from keygw.token.issuer_key import (
    NO_STATEMENT,
    IssuerKeyAck,
    IssuerKeyStatement,
    open_statement,
    sign_statement,
)


async def announce(tx: CredentialTransaction, fresh: IssuerKeyRecord, signer: Issuer, now: int, retire_at: int) -> None:
    """State that ``fresh`` signs from ``now`` on and that every key before it ends at ``retire_at`` (Unix seconds).

    ``signer``: the key before; or the same key, which then only draws the end of those before it nearer.
    """
    known = await tx.issuer_statements(0)
    sequence = known[-1].sequence + 1 if known else 1
    statement = IssuerKeyStatement(fresh.issuer, sequence, fresh.public_key, now, max(now, retire_at), now)
    signed = sign_statement(statement, signer.signer, signer.kid)
    await tx.add_issuer_statement(StatementRecord(sequence, fresh.kid, signed))
    await tx.raise_last_issued_at(now)  # vehicles take the time from it, so nothing later may name an earlier one


async def pending(reads: CredentialReads, vehicle_id: str) -> list[bytes]:
    """The statements that the vehicle has not acknowledged, oldest first."""
    return [record.signed for record in await reads.issuer_statements(await reads.issuer_key_ack(vehicle_id))]


async def accept(tx: CredentialTransaction, vehicle_id: str, said: IssuerKeyAck, signed: bytes) -> bool:
    """Keep an acknowledgement whose signature has been verified; whether the vehicle has the newest key.

    ``TokenError`` ack_foreign: of another vehicle; ``Conflict`` issuer_key_unknown: it names a key or a statement that
    is not ours, so somebody else has told it.
    """
    if said.vehicle_id != vehicle_id:
        raise TokenError("the acknowledgement is of another vehicle", code="ack_foreign")
    statements = await tx.issuer_statements(0)
    keys = {record.kid for record in await tx.issuer_keys()}
    sequence = said.sequence
    if said.statement_hash == NO_STATEMENT:  # provisioned with it, which is as good as the statement that brings it
        sequence = next((record.sequence for record in statements if record.kid == said.kid), 0)
        ours = said.kid in keys
    else:
        ours = any(
            (record.sequence, record.kid, open_statement(record.signed).digest)
            == (said.sequence, said.kid, said.statement_hash)
            for record in statements
        )
    if not ours:
        raise Conflict("the vehicle has learnt an issuer key from somebody else", code="issuer_key_unknown")
    await tx.acknowledge_issuer_key(vehicle_id, sequence, said.kid, signed)
    if statements and sequence < statements[-1].sequence:
        return False
    await tx.drop_former_tokens(vehicle_id)
    return True
