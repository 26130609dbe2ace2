"""OpenAPI links: where the id that a route asks for comes from. Made from what routes answer and what others take."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

MADE: dict[str, dict[str, str]] = {
    "apps_register": {"app_id": "/app/id"},
    "commands_create": {"command_id": "/id"},
    "devices_challenge": {"challenge": "/challenge"},
    "devices_register": {"device_id": "/id"},
    "invitations_create": {"invitation_id": "/id"},
    "issuer_keys_prepare": {"kid": "/kid"},
    "keys_issue": {"key_id": "/id", "device_id": "/device_id"},
    "keys_share": {"key_id": "/id", "device_id": "/device_id"},
    "oauth_device_authorization": {"user_code": "/user_code"},
    "oauth_token": {"grant_id": "/grant_id"},
    "operators_add": {"operator_id": "/operator/id"},
    "ownership_offer": {"transfer_id": "/id", "secret": "/secret"},
    "passkeys_add": {"passkey_id": "/id"},
    "pairings_start": {"pairing_id": "/id"},
    "people_add": {"person_id": "/id"},
    "people_get": {"app_id": "/app_ids/0"},
    "cards_put": {"card": "/name"},
    "session_events_send": {"event_id": "/id"},
    "sessions_create": {"session_id": "/session/id"},
    "tenants_add": {"tenant_id": "/id"},
    "webhooks_create": {"webhook_id": "/webhook/id"},
    "webhooks_ping": {"webhook_id": "/webhook_id", "delivery_id": "/id"},
    "vehicles_register": {"vehicle_id": "/id"},
}
"""Operation -> what its answer is good for elsewhere: the name there, and where it stands in the answer (RFC 6901)."""


def link(document: dict[str, Any]) -> None:
    """Put the links into the successful answers of the operations that make something."""
    operations = {each["operationId"]: each for item in document["paths"].values() for each in item.values()}
    for source, made in MADE.items():
        known = {name: f"$request.path.{name}" for name in _named(operations[source], "path")}
        values = {name: f"$response.body#{place}" for name, place in made.items()}
        links = {
            target: found
            for target, operation in sorted(operations.items())
            if (found := _link(document, operation, made.keys(), {**known, **values})) is not None
        }
        for status, response in operations[source]["responses"].items():
            if status.startswith("2"):
                response["links"] = links


def _link(
    document: dict[str, Any], target: dict[str, Any], made: Collection[str], values: dict[str, str]
) -> dict[str, Any] | None:
    """To an operation that takes one of the made values, and whose path needs no value that is not there."""
    path = _named(target, "path")
    body = [name for name in _properties(document, target) if name in made]
    parameters = [name for name in sorted(path | _named(target, "query")) if name in values]
    if not path <= values.keys() or not {*parameters, *body} & set(made):
        return None
    found: dict[str, Any] = {"operationId": target["operationId"]}
    if parameters:
        found["parameters"] = {name: values[name] for name in parameters}
    if body:
        found["requestBody"] = {name: values[name] for name in body}
    return found


def _named(operation: dict[str, Any], place: str) -> set[str]:
    """The names of its parameters there."""
    return {each["name"] for each in operation.get("parameters", ()) if each["in"] == place}


def _properties(document: dict[str, Any], operation: dict[str, Any]) -> list[str]:
    """The names in the body of an operation; none where it takes no body."""
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    for each in (schema, *schema.get("anyOf", ())):
        if "$ref" in each:
            return list(document["components"]["schemas"][each["$ref"].rpartition("/")[2]]["properties"])
    return []
