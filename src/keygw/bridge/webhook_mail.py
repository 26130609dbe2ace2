"""One attempt at a delivery: signed, sent, and what came of it; so many at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from keygw import __version__
from keygw.bridge.ports import Clock
from keygw.bridge.webhook_ports import Answer, Attempt, Failure, Post, Webhook
from keygw.bridge.webhook_signature import message_id, signed_headers

ROOM = 64
"""Requests under way at once to receivers that took what they were sent last."""
DOUBTFUL_ROOM = 16
"""To those that did not: however many of them hang, the others have their own room."""
CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
"""CloudEvents 1.0, HTTP protocol binding, structured mode."""

AGENT = f"keygw/{__version__}"

OnAttempt = Callable[[str, float], None]
"""Told of each attempt: ``delivered`` or a ``Failure``, and how many seconds it took."""


@dataclass(frozen=True, slots=True)
class Letter:
    """``event_id``: the same in each attempt. ``body``: CloudEvents JSON."""

    event_id: str
    type: str
    body: str


def unwatched(outcome: str, seconds: float) -> None:
    """Nobody looks on."""


class Nowhere:
    """A ``Post`` for a gateway that sends nothing."""

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        return Answer(None, Failure.CONNECT_FAILED, 0.0)


class Mail:
    """For who delivers, and for who tries by hand."""

    def __init__(
        self,
        post: Post,
        clock: Clock,
        on_attempt: OnAttempt = unwatched,
        room: int = ROOM,
        doubtful: int = DOUBTFUL_ROOM,
    ) -> None:
        self._post = post
        self._clock = clock
        self._on_attempt = on_attempt
        self._room = asyncio.Semaphore(room)
        self._doubtful = asyncio.Semaphore(doubtful)

    async def attempt(self, webhook: Webhook, letter: Letter) -> tuple[Attempt, Answer]:
        """Once, when there is room. It is signed then, so that its time is that of this attempt."""
        async with self._doubtful if webhook.failures else self._room:
            at, body = self._clock(), letter.body.encode()
            headers = {
                "Content-Type": CONTENT_TYPE,
                "User-Agent": AGENT,
                **signed_headers(webhook.secrets(at), message_id(letter.event_id), int(at), body),
            }
            answer = await self._post.send(webhook.url, headers, body)
        self._on_attempt("delivered" if answer.failure is None else answer.failure.value, answer.seconds)
        return Attempt(at, answer.seconds, answer.status, answer.failure), answer
