"""``keygw.v1`` under an app session: of its vehicle alone, while it is active; it ends with it, and says why."""

from __future__ import annotations

from contextlib import ExitStack

from keygw.api.streams import messages as said
from keygw.api.streams.conversation import Conversation, Receive
from keygw.api.streams.stream import Stream
from keygw.bridge.app_session import AppSession, SessionState
from keygw.bridge.records import App
from keygw.model.errors import NotFound


class SessionConversation(Conversation):
    """``session_id``: as the app says."""

    def __init__(self, stream: Stream, receive: Receive, app: App | None, ping: float, session_id: str) -> None:
        super().__init__(stream, receive, app, ping)
        self._session_id = session_id
        self._vehicle_id = ""
        self._watched = ExitStack()

    async def run(self) -> None:
        with self._watched:
            await super().run()

    async def _welcome(self, hello: said.Hello) -> bool:
        if not await super()._welcome(hello):
            return False
        # Watched before it is read: what happens in between is seen.
        self._watched.enter_context(self._services.bridge.sessions.watching(self._session_id, self._moved))
        return await self._stands()

    async def _look(self) -> None:
        """Another gateway may have moved it."""
        if await self._stands():
            await super()._look()

    async def _subscribe(self, message: said.Subscribe) -> None:
        if any(each != self._vehicle_id for each in message.vehicles):
            self._refuse(message.id, "unknown_vehicle", f"this session is about {self._vehicle_id} alone")
            return
        await super()._subscribe(message)

    async def _stands(self) -> bool:
        """Is it the app's, and active? Else the stream ends."""
        try:
            session = await self._services.bridge.sessions.get(self._stream.app, self._session_id)
        except NotFound:
            self._stream.end("unknown_session")
            return False
        self._vehicle_id = session.vehicle_id
        self._moved(session)
        return self._stream.alive()

    def _moved(self, session: AppSession) -> None:
        if session.state is SessionState.CLOSED:
            self._stream.end("session_closed", "" if session.reason is None else session.reason.value)
        elif session.state is SessionState.SUSPENDED:
            self._stream.end("session_suspended", "resume it, and open another stream")
