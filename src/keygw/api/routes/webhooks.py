"""Webhooks: events of an app, sent to an address of its choice and signed (https://www.standardwebhooks.com)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from keygw.api.auth import Caller, Wired
from keygw.api.document import problems
from keygw.api.fields import Body, Label
from keygw.api.idempotency import Repeatable
from keygw.api.models import TimeText
from keygw.api.strict import StrictRoute
from keygw.bridge.webhook_events import MOST as MOST_EVENTS
from keygw.bridge.webhook_ports import (
    Delivery,
    DeliveryKind,
    DeliveryState,
    DisabledReason,
    Failure,
    Webhook,
)
from keygw.bridge.webhook_signature import message_id, secret_text
from keygw.bridge.webhook_targets import MOST_LETTERS
from keygw.bridge.webhooks import LONGEST_OVERLAP_SECONDS, Wishes
from keygw.credentials.once import Replayed
from keygw.model.times import rfc3339

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], route_class=StrictRoute)

Url = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MOST_LETTERS),
    Field(examples=["https://example.com/hooks"], json_schema_extra={"format": "uri"}),
]
EventType = Annotated[
    str,
    StringConstraints(min_length=1, max_length=60),
    Field(examples=["keygw.key.revoked"], json_schema_extra={"pattern": r"^keygw\.[a-z]+\.([a-z_]+|\*)$"}),
]
EventTypes = Annotated[
    list[EventType],
    Field(max_length=MOST_EVENTS, description="Full types, or `keygw.key.*` for a kind of them; none: all"),
]
Overlap = Annotated[int, Field(ge=0, le=LONGEST_OVERLAP_SECONDS, description="A day by default")]


class NewWebhook(Body):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"url": "https://example.com/hooks", "events": ["keygw.key.*"]}]}
    )
    url: Url
    label: Label = ""
    events: EventTypes = Field(default_factory=list)


class WebhookChange(Body):
    """What is left out stays. ``enabled``: true also begins the tries anew. ``skip_missed``: what has happened until
    now is not sent any more."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"enabled": True}]})
    url: Url | None = None
    label: Label | None = None
    events: EventTypes | None = None
    enabled: bool | None = None
    skip_missed: bool = False


class Rotation(Body):
    """``overlap_seconds``: for which the former secret signs beside the new one."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"overlap_seconds": 3600}]})
    overlap_seconds: Overlap | None = None


class WebhookOut(BaseModel):
    """``reason``: why it is disabled. ``failures``: in a row, since ``failing_since``; the next try is at
    ``next_try_at``. ``former_secret_until``: until then two secrets sign."""

    id: str
    app_id: str
    url: str
    label: str
    events: list[str]
    enabled: bool
    reason: DisabledReason | None
    failures: int
    failing_since: TimeText | None
    next_try_at: TimeText | None
    former_secret_until: TimeText | None
    created_at: TimeText
    updated_at: TimeText


class WebhookSecret(BaseModel):
    """``secret``: shown this once; ``null`` where the same request has made the webhook before."""

    webhook: WebhookOut
    secret: str | None = Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="])


class WebhooksOut(BaseModel):
    webhooks: list[WebhookOut]


class AttemptOut(BaseModel):
    """``status``: of HTTP; ``failure``: why it brought nothing."""

    at: TimeText
    duration_ms: int
    status: int | None
    failure: Failure | None


class DeliveryOut(BaseModel):
    """``number``: its place in the log. ``event_id``: of the CloudEvent; ``message_id``: of the header ``webhook-id``.
    ``tries``: how many there were; ``attempts``: the newest of them."""

    id: str
    number: int
    webhook_id: str
    kind: DeliveryKind
    event_id: str
    message_id: str
    type: str
    state: DeliveryState
    created_at: TimeText
    tries: int
    attempts: list[AttemptOut]
    next_try_at: TimeText | None


class DeliveriesOut(BaseModel):
    deliveries: list[DeliveryOut]


@router.post(
    "",
    status_code=201,
    response_model=WebhookSecret,
    responses=problems(409, body=True),
    summary="Have events sent somewhere",
)
async def create(body: NewWebhook, caller: Caller, wired: Wired, once: Repeatable) -> dict[str, Any]:
    """Answers the secret that signs, once. Everything that is recorded from now on and that the app may see is sent, in
    its order, until it is answered with a success."""
    webhooks = wired.bridge.webhooks
    try:
        told = await webhooks.create(caller, body.url, body.label, body.events, once)
    except Replayed as again:
        return {"webhook": webhook_json(await webhooks.get(caller, again.resource)), "secret": None}
    return {"webhook": webhook_json(told.webhook), "secret": secret_text(told.secret)}


@router.get("", response_model=WebhooksOut, responses=problems(), summary="The webhooks there are")
async def list_all(caller: Caller, wired: Wired) -> dict[str, Any]:
    """The app's own; to an operator, those of its tenant."""
    return {"webhooks": [webhook_json(each) for each in await wired.bridge.webhooks.list(caller)]}


@router.get("/{webhook_id}", response_model=WebhookOut, responses=problems(404), summary="One webhook")
async def get(webhook_id: str, caller: Caller, wired: Wired) -> dict[str, Any]:
    return webhook_json(await wired.bridge.webhooks.get(caller, webhook_id))


@router.patch(
    "/{webhook_id}", response_model=WebhookOut, responses=problems(404, body=True), summary="Change a webhook"
)
async def change(webhook_id: str, body: WebhookChange, caller: Caller, wired: Wired) -> dict[str, Any]:
    """One that was disabled goes on where it was, once it is enabled."""
    wishes = Wishes(body.url, body.label, body.events, body.enabled, body.skip_missed)
    return webhook_json(await wired.bridge.webhooks.change(caller, webhook_id, wishes))


@router.delete("/{webhook_id}", status_code=204, responses=problems(404), summary="Delete a webhook")
async def remove(webhook_id: str, caller: Caller, wired: Wired) -> None:
    """And its log. A delivery that is on its way may still arrive."""
    await wired.bridge.webhooks.remove(caller, webhook_id)


@router.post(
    "/{webhook_id}:rotate",
    response_model=WebhookSecret,
    responses=problems(404, body=True),
    summary="A new secret",
)
async def rotate(webhook_id: str, caller: Caller, wired: Wired, body: Rotation | None = None) -> dict[str, Any]:
    """Shown this once. Until the overlap is over every delivery has two signatures."""
    overlap = None if body is None else body.overlap_seconds
    told = await wired.bridge.webhooks.rotate(caller, webhook_id, overlap)
    return {"webhook": webhook_json(told.webhook), "secret": secret_text(told.secret)}


@router.get("/{webhook_id}/deliveries", response_model=DeliveriesOut, responses=problems(404), summary="What was sent")
async def deliveries(
    webhook_id: str,
    caller: Caller,
    wired: Wired,
    before: Annotated[int | None, Query(ge=1, le=2**53, description="Only those before this number")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> dict[str, Any]:
    """Newest first. For the page before this one, send the last number as ``before``. The newest 500 are kept."""
    found = await wired.bridge.webhooks.deliveries(caller, webhook_id, limit, before)
    return {"deliveries": [delivery_json(each) for each in found]}


@router.post(
    "/{webhook_id}:ping", response_model=DeliveryOut, responses=problems(404, 429), summary="Is anybody there?"
)
async def ping(webhook_id: str, caller: Caller, wired: Wired) -> dict[str, Any]:
    """One attempt at once, also while it is disabled: `keygw.webhook.ping`. The answer says what came of it."""
    return delivery_json(await wired.bridge.webhook_hands.ping(caller, webhook_id))


@router.post(
    "/{webhook_id}/deliveries/{delivery_id}:redeliver",
    response_model=DeliveryOut,
    responses=problems(404, 409, 429),
    summary="Send it once more",
)
async def redeliver(webhook_id: str, delivery_id: str, caller: Caller, wired: Wired) -> dict[str, Any]:
    """One attempt at once, under the same `webhook-id`, if the app may still see that event and it is kept."""
    return delivery_json(await wired.bridge.webhook_hands.redeliver(caller, webhook_id, delivery_id))


def webhook_json(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "app_id": webhook.app_id,
        "url": webhook.url,
        "label": webhook.label,
        "events": list(webhook.events),
        "enabled": webhook.enabled,
        "reason": webhook.reason,
        "failures": webhook.failures,
        "failing_since": _at(webhook.failing_since),
        "next_try_at": _at(webhook.next_at),
        "former_secret_until": _at(webhook.former_until),
        "created_at": rfc3339(webhook.created_at),
        "updated_at": rfc3339(webhook.updated_at),
    }


def delivery_json(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "number": delivery.number,
        "webhook_id": delivery.webhook_id,
        "kind": delivery.kind,
        "event_id": delivery.event_id,
        "message_id": message_id(delivery.event_id),
        "type": delivery.type,
        "state": delivery.state,
        "created_at": rfc3339(delivery.created_at),
        "tries": delivery.tries,
        "attempts": [
            {
                "at": rfc3339(each.at),
                "duration_ms": round(each.seconds * 1000),
                "status": each.status,
                "failure": each.failure,
            }
            for each in delivery.attempts
        ],
        "next_try_at": _at(delivery.next_at),
    }


def _at(seconds: float | None) -> str | None:
    return None if seconds is None else rfc3339(seconds)
