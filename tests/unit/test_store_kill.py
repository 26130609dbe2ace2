"""A gateway that is killed in the middle of its work has lost nothing that it said was done."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from keygw.store.store import open_store

ISSUING = """
import asyncio, os, sys, time
from pathlib import Path
from keygw.credentials.service import CredentialService
from keygw.credentials.values import Issuer
from keygw.crypto.signer import LocalSigner
from keygw.model.ids import new_id
from keygw.model.vehicle import Vehicle
from keygw.store.store import open_store
from keygw.token.trust import kid_of

async def main():
    signer = LocalSigner.generate()
    issuer = Issuer("keygw-test", kid_of(signer.public_key), signer)
    async with await open_store(Path(sys.argv[1])) as store:
        service = CredentialService(store.credentials, store.vault, issuer, time.time, os.urandom)
        vehicle = Vehicle(new_id("veh", os.urandom), "Car", LocalSigner.generate().public_key, os.urandom(16))
        await service.register_vehicle(vehicle)
        while True:
            key = await service.issue_owner_key(vehicle.id, LocalSigner.generate().public_key)
            print(key.id, key.index, flush=True)
            print((await service.revoke(key.id)).state, flush=True)

asyncio.run(main())
"""


def lines_before_the_kill(directory: Path) -> list[str]:
    """What a process that issues and revokes without pause has said until it was killed."""
    with subprocess.Popen(
        [sys.executable, "-c", ISSUING, str(directory)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(41)]
        process.kill()
        lines += process.stdout.readlines()
    return [line.strip() for line in lines if line.endswith("\n")]


async def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    lines = await asyncio.to_thread(lines_before_the_kill, tmp_path)
    issued = [line.split() for line in lines if line.startswith("key_")]
    revoked = lines.count("revoking")
    assert len(issued) >= 21
    async with await open_store(tmp_path) as store:
        kept = {record.key.id: record for record in await store.credentials.keys()}
        assert {key_id: kept[key_id].key.index for key_id, _ in issued} == {key: int(index) for key, index in issued}
        told = sorted(record.list_sequence for record in kept.values() if record.key.state == "revoking")
        [vehicle] = await store.credentials.vehicles()
        assert told == list(range(1, vehicle.list_sequence + 1))
        assert vehicle.list_sequence in (revoked, revoked + 1)
        assert await store.credentials.revocation_list(vehicle.vehicle.id, vehicle.list_sequence) is not None
        assert (await store.database.fetch("PRAGMA integrity_check"))[0][0] == "ok"
