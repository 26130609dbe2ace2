"""The API page works offline, and the document beside it tells the truth."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

PUBLIC = {
    "/.well-known/jwks.json",
    "/v1/status-lists",
    "/v1/status-lists/{page}",
    "/health",
    "/healthz",
    "/readyz",
    "/.well-known/keygw",
    "/.well-known/oauth-authorization-server",
    # What is sent there is the credential: a code, a refresh token, a proof.
    *(f"/oauth2/{verb}" for verb in ("register", "token", "revoke", "device_authorization")),
    # A passkey speaks, for a request that the gateway has signed.
    "/oauth2/authorize/allow",
    "/oauth2/authorize/deny",
    # The device's own signed word is a credential as well.
    "/v1/keys/{key_id}:give-back",
    # The secret of the link is the credential.
    *(f"/v1/invitations/{{invitation_id}}:{verb}" for verb in ("view", "claim", "decline")),
}
FOREIGN = re.compile(
    r"""(?:src|href|action)\s*=\s*["']?\s*(?:https?:)?//|url\(\s*["']?https?:|@import|\bfetch\(["']http"""
)


async def test_the_page_and_all_it_loads_come_from_here(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "http://" not in page.text
    assert "https://" not in page.text
    assets = re.findall(r'(?:src|href)="(/[^"]+)"', page.text)
    assert len(assets) == 3
    for asset in assets:
        response = await client.get(asset)
        assert response.status_code == 200
        if asset != "/docs/swagger-ui-bundle.js":  # that one names XML namespaces; the policy below binds it
            assert not FOREIGN.search(response.text), asset
    assert (await client.get("/openapi.json")).headers["content-type"] == "application/json"


async def test_the_policy_lets_nothing_in_from_elsewhere(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs")
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["connect-src"] == "'self'"
    assert "http" not in page.headers["content-security-policy"]
    assert not re.search(r"<script(?![^>]*\bsrc=)", page.text)
    assert not re.search(r"\son\w+=|javascript:|<style", page.text)


def test_vendored_files_are_what_they_say(repository: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(repository / "tools/vendor.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_published_document_is_current(repository: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(repository / "tools/make_openapi.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


async def test_the_served_document_is_the_published_one(client: httpx.AsyncClient, repository: Path) -> None:
    served = (await client.get("/openapi.json")).json()
    published = json.loads((repository / "protocols/bridge_api/openapi.json").read_text("utf-8"))
    served["info"]["version"] = published["info"]["version"]
    assert served == published


async def test_every_operation_is_described(client: httpx.AsyncClient) -> None:
    document: dict[str, Any] = (await client.get("/openapi.json")).json()
    schemas = document["components"]["schemas"]
    assert "HTTPValidationError" not in schemas
    names = set()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            names.add(operation["operationId"])
            assert operation["summary"], (method, path)
            assert path in PUBLIC or operation["security"] == [{"app": []}]
            for status, response in operation["responses"].items():
                if path.startswith("/oauth2/") and status in ("400", "401") and "content" in response:
                    assert "application/json" in response["content"], "OAuth has words of its own"
                elif int(status) >= 400:
                    assert response == {"$ref": f"#/components/responses/Problem{status}"}
                    content = document["components"]["responses"][f"Problem{status}"]["content"]
                    assert content == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    assert len(names) == sum(len(operations) for operations in document["paths"].values())


async def test_every_route_but_the_public_ones_asks_for_a_token(client: httpx.AsyncClient) -> None:
    document: dict[str, Any] = (await client.get("/openapi.json")).json()
    asked = 0
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if "security" not in operation:
                continue
            headers = {"Idempotency-Key": "k", "Content-Type": "application/json"} if method == "post" else {}
            content = b"{}" if method == "post" else None
            response = await client.request(method, path.format_map(_Any()), headers=headers, content=content)
            assert response.status_code == 401, (method, path, response.text)
            asked += 1
    assert asked > 20


class _Any(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "x"


def test_every_schema_has_a_name_of_its_own(repository: Path) -> None:
    """Two of one name get names that no generator of clients makes a good class of."""
    document = json.loads((repository / "protocols/bridge_api/openapi.json").read_text("utf-8"))
    strange = [name for name in document["components"]["schemas"] if not re.fullmatch(r"[A-Za-z]+", name)]
    assert strange == []
