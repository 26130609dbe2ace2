"""The TypeScript client: its types are those of the document, it compiles, and it unlocks a car under Node."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from jwt.algorithms import ECAlgorithm

import typescript
from keygw_sim.scenarios.world import World

if TYPE_CHECKING:
    from tests.conftest import Require

DOCUMENT = typescript.SOURCE.parent / "openapi.json"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory, node: None) -> Path:
    return typescript.compile_to(tmp_path_factory.mktemp("typescript"))


@pytest.fixture(scope="module")
def node(require: Require) -> None:
    require("node", typescript.present(), typescript.HINT)


def test_the_committed_types_are_those_of_the_document(tmp_path: Path, node: None) -> None:
    typescript.generate(DOCUMENT, tmp_path / "schema.ts")
    committed = (typescript.SOURCE / "src/schema.ts").read_text("utf-8")
    assert (tmp_path / "schema.ts").read_text("utf-8") == committed, "run npm run generate in protocols/bridge_api/ts"


def test_a_client_that_asks_what_the_document_does_not_have_is_not_compiled(tmp_path: Path, node: None) -> None:
    """So that the types are known to reach the callers."""
    document = json.loads(DOCUMENT.read_text("utf-8"))
    del document["paths"]["/v1/keys/{key_id}"]["get"]
    document["components"]["schemas"]["CommandOut"]["properties"]["settled"]["type"] = "string"
    (tmp_path / "other.json").write_text(json.dumps(document))
    typescript.generate(tmp_path / "other.json", tmp_path / "schema.ts")
    with pytest.raises(AssertionError) as refused:
        typescript.compile_to(tmp_path, tmp_path / "schema.ts")
    assert "/v1/keys/{key_id}" in str(refused.value)
    assert "story.ts" in str(refused.value)


async def test_from_an_operators_token_to_an_unlocked_car(tmp_path: Path, compiled: Path) -> None:
    async with World(tmp_path, seed="typescript") as world:
        await world.start_radio()
        await world.start_gateway()
        await world.start_car()
        issuer = (await world.operator.get("/.well-known/keygw"))["issuer"]
        file = {"v": 1, "vehicle_id": world.vehicle_id, "issuer": issuer}
        (tmp_path / "car/provisioning.json").write_text(json.dumps(file))
        token = await asyncio.to_thread(Path(world.gateway.ready["operator_token_file"]).read_text)
        env = {"KEYGW_URL": world.url, "KEYGW_OPERATOR_TOKEN": token.strip(), "KEYGW_CODE": await world.shown_code()}
        told = await typescript.run(compiled, "story.js", env)
        assert told["vehicle"] == world.vehicle_id
        assert told["cases"] > 20
        receipts = (await world.operator.get(f"/v1/vehicles/{world.vehicle_id}/receipts"))["receipts"]
        assert [receipt["action"] for receipt in receipts] == ["unlock", "lock"], "each was done once"


class WantsProofs:
    """A resource server of RFC 9449 on loopback: a nonce of its own choice, renewed once, and no proof twice."""

    def __init__(self) -> None:
        self.url = ""
        self.nonce = "first"
        self.asked: list[str] = []
        self.proofs: list[dict[str, Any]] = []
        self.keys: set[str] = set()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            line, *fields = head.strip().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in fields)}
            method, path, _ = line.split(" ")
            status, told = self._answer(method, path, headers)
            body = json.dumps(told).encode()
            writer.write(
                f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nDPoP-Nonce: {self.nonce}\r\n"
                f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode()
                + body
            )
            await writer.drain()
        finally:
            writer.close()

    def _answer(self, method: str, path: str, headers: dict[str, str]) -> tuple[str, dict[str, Any]]:
        self.asked.append(f"{method} {path}")
        claims = self._judged(method, path, headers)
        if claims.get("nonce") == self.nonce and path == "/v1/keys/k1:revoke" and self.nonce == "first":
            self.nonce = "second"  # it has grown old meanwhile
        refused = {"detail": "no", "retryable": False, "may_have_happened": False, "trace_id": "0"}
        if claims.get("nonce") != self.nonce:
            return "401 Unauthorized", {"code": "use_dpop_nonce", **refused}
        if path == "/v1/apps/self":
            self.nonce = f"{self.nonce}."
            return "401 Unauthorized", {"code": "token_unknown", **refused}
        return "200 OK", {"keys": []}

    def _judged(self, method: str, path: str, headers: dict[str, str]) -> dict[str, Any]:
        """The claims of the proof, checked by a library that is not ours (RFC 9449, section 4.3)."""
        head = jwt.get_unverified_header(headers["dpop"])
        assert head["typ"] == "dpop+jwt"
        assert set(head["jwk"]) == {"kty", "crv", "x", "y"}, "and no private half"
        key = ECAlgorithm.from_jwk(head["jwk"])
        claims: dict[str, Any] = jwt.decode(headers["dpop"], key, algorithms=["ES256"])  # type: ignore[arg-type]  # public
        assert claims["htm"] == method
        assert claims["htu"] == self.url + path.partition("?")[0]
        assert headers["authorization"] == "DPoP a-token"
        assert claims["ath"] == b64(hashlib.sha256(b"a-token").digest())
        assert claims["jti"] not in {proof["jti"] for proof in self.proofs}, "a proof comes once"
        self.proofs.append(claims)
        self.keys.add(
            b64(hashlib.sha256(json.dumps(head["jwk"], sort_keys=True, separators=(",", ":")).encode()).digest())
        )
        return claims


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


async def test_each_request_comes_with_its_own_proof_and_the_newest_nonce(compiled: Path) -> None:
    server = WantsProofs()
    async with server.serving():
        told = await typescript.run(compiled, "dpop.js", {"KEYGW_URL": server.url})
    listed, revoked, own = "GET /v1/keys?vehicle_id=v1", "POST /v1/keys/k1:revoke", "GET /v1/apps/self"
    assert server.asked == [listed, listed, revoked, revoked, own, own]
    assert [proof.get("nonce") for proof in server.proofs] == [None, "first", "first", "second", "second", "second."]
    assert server.keys == {told["thumbprint"]}
    assert told["cases"] > 70
