"""``AgentManager1`` and ``ProfileManager1`` at ``/org/bluez``: clients register there first, whatever they want later.

Nothing here ever asks an agent: the vehicle does not pair, it authenticates in its own session.
"""

from __future__ import annotations

from typing import Any

from dbus_fast import Variant

from keygw_sim.bluez import errors
from keygw_sim.bluez.tree import Interface, Tree, method

CAPABILITIES = frozenset({"", "DisplayOnly", "DisplayYesNo", "KeyboardOnly", "NoInputNoOutput", "KeyboardDisplay"})


class _Register(Interface):
    """What clients have registered, by their name and path."""

    def __init__(self, tree: Tree, path: str) -> None:
        super().__init__(tree, path)
        self._known: set[tuple[str, str]] = set()

    def enter(self, sender: str, path: str) -> None:
        if (sender, path) in self._known:
            raise errors.already_exists()
        self._known.add((sender, path))

    def check(self, sender: str, path: str) -> None:
        if (sender, path) not in self._known:
            raise errors.does_not_exist()

    def leave(self, sender: str, path: str) -> None:
        self.check(sender, path)
        self._known.discard((sender, path))

    def left(self, sender: str) -> None:
        self._known = {each for each in self._known if each[0] != sender}


class AgentManager(_Register):
    name = "org.bluez.AgentManager1"

    @method("RegisterAgent", "os")
    async def register_agent(self, sender: str, path: str, capability: str) -> list[Any]:
        if capability not in CAPABILITIES:
            raise errors.invalid_arguments()
        self.enter(sender, path)
        return []

    @method("UnregisterAgent", "o")
    async def unregister_agent(self, sender: str, path: str) -> list[Any]:
        self.leave(sender, path)
        return []

    @method("RequestDefaultAgent", "o")
    async def request_default_agent(self, sender: str, path: str) -> list[Any]:
        self.check(sender, path)
        return []


class ProfileManager(_Register):
    name = "org.bluez.ProfileManager1"

    @method("RegisterProfile", "osa{sv}")
    async def register_profile(self, sender: str, path: str, _uuid: str, _options: dict[str, Variant]) -> list[Any]:
        self.enter(sender, path)
        return []

    @method("UnregisterProfile", "o")
    async def unregister_profile(self, sender: str, path: str) -> list[Any]:
        self.leave(sender, path)
        return []
