"""``standardwebhooks`` from PyPI takes every webhook for what it is, and nothing that was changed; ``cloudevents``
reads the bodies."""

from __future__ import annotations

from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from scene import held
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from webhook_catch import catch

caught = catch()
assert any(each.former for each in caught), "none after the rotation"
for each in caught:
    for secret in (each.secret, each.former):
        if secret is not None:
            Webhook(secret).verify(each.body, each.headers)
    old = {**each.headers, "webhook-timestamp": str(int(each.headers["webhook-timestamp"]) - 1)}
    for body, headers in ((each.body + " ", each.headers), (each.body, old)):
        try:
            Webhook(each.secret).verify(body, headers)
        except WebhookVerificationError:
            continue
        raise AssertionError("what was changed is taken as well")
    event = JSONFormat().read(CloudEvent, each.body)
    assert event.get_type().startswith("keygw."), event.get_type()
held("standardwebhooks", len(caught))
