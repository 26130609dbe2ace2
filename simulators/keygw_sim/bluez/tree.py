"""D-Bus objects as a tree: ``ObjectManager``, ``Properties`` and ``Introspectable`` for all, methods by their tables.

dbus-fast has a service of its own, with one fixed set of properties for each interface, and without the caller's name.
BlueZ's properties come and go (``RSSI`` is there while a scan hears the device), and its discoveries and subscriptions
belong to the client that asked, so the messages are served here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar
from xml.etree.ElementTree import Element, SubElement, tostring

from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.constants import ErrorType

from keygw_sim.bluez.errors import BusError
from keygw_sim.bluez.faults import Faults

_logger = logging.getLogger(__name__)

MANAGER = "org.freedesktop.DBus.ObjectManager"
PROPERTIES = "org.freedesktop.DBus.Properties"
PEER = "org.freedesktop.DBus.Peer"
INTROSPECTABLE = "org.freedesktop.DBus.Introspectable"
MAX_CALLS = 512
"""Calls served at a time; a client that makes more of them without waiting for answers is told to wait."""

F = TypeVar("F", bound=Callable[..., Awaitable[list[Any]]])


@dataclass(frozen=True, slots=True)
class Method:
    """``takes`` and ``gives`` are D-Bus signatures; ``name`` is the Python method, called with the sender first."""

    takes: str
    gives: str
    name: str


def method(member: str, takes: str = "", gives: str = "") -> Callable[[F], F]:
    """Mark an ``async`` method of an ``Interface`` as the D-Bus method ``member``."""

    def mark(function: F) -> F:
        function.__dict__["bus_method"] = (member, Method(takes, gives, function.__name__))
        return function

    return mark


class Interface:
    """One interface of one object. Subclasses mark methods; properties are variants by name."""

    name: ClassVar[str]
    methods: ClassVar[dict[str, Method]] = {}
    writable: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls) -> None:
        marked = [getattr(value, "bus_method", None) for value in vars(cls).values()]
        cls.methods = dict(each for each in marked if each is not None)

    def __init__(self, tree: Tree, path: str, **properties: Variant) -> None:
        self.tree = tree
        self.path = path
        self.properties = properties

    def change(self, **properties: Variant) -> None:
        """New values; those that are really new are signalled."""
        new = {name: value for name, value in properties.items() if self.properties.get(name) != value}
        self.properties.update(new)
        if new:
            self._signal(new, [])

    def signal_again(self, **properties: Variant) -> None:
        """New values, signalled even if they are the old ones: a notification may repeat itself."""
        self.properties.update(properties)
        self._signal(properties, [])

    def drop(self, *names: str) -> None:
        """Properties that are no more."""
        gone = [name for name in names if self.properties.pop(name, None) is not None]
        if gone:
            self._signal({}, gone)

    async def write(self, name: str, value: Any) -> None:
        """``Properties.Set`` of a name in ``writable``."""
        self.change(**{name: value})

    def _signal(self, changed: dict[str, Variant], gone: list[str]) -> None:
        if self.tree.has(self):
            self.tree.emit(self.path, PROPERTIES, "PropertiesChanged", "sa{sv}as", [self.name, changed, gone])


class Tree:
    """The objects of one service. Serves the calls that come in on ``bus``; ``close`` ends those under way."""

    def __init__(self, bus: MessageBus, faults: Faults) -> None:
        self._bus = bus
        self._faults = faults
        self._objects: dict[str, dict[str, Interface]] = {}
        self._calls: set[asyncio.Task[None]] = set()
        bus.add_message_handler(self._serve)

    def close(self) -> None:
        self._bus.remove_message_handler(self._serve)
        for call in list(self._calls):
            call.cancel()

    def has(self, interface: Interface) -> bool:
        return self._objects.get(interface.path, {}).get(interface.name) is interface

    def add(self, *interfaces: Interface) -> None:
        """One object with these interfaces, or more of them for an object that is there."""
        path = interfaces[0].path
        self._objects.setdefault(path, {}).update({each.name: each for each in interfaces})
        shown = {each.name: each.properties for each in interfaces}
        self.emit("/", MANAGER, "InterfacesAdded", "oa{sa{sv}}", [path, shown])

    def remove(self, path: str) -> None:
        """An object and all below it, the lowest first, as BlueZ takes them away."""
        self.clear(path)
        self._take(path)

    def clear(self, path: str) -> None:
        """All below an object."""
        for each in sorted((each for each in self._objects if each.startswith(f"{path}/")), reverse=True):
            self._take(each)

    def _take(self, each: str) -> None:
        if each in self._objects:
            names = list(self._objects.pop(each))
            self.emit("/", MANAGER, "InterfacesRemoved", "oas", [each, names])

    def emit(self, path: str, interface: str, member: str, signature: str, body: list[Any]) -> None:
        if self._bus.connected:
            self._bus.send(Message.new_signal(path, interface, member, signature, body))

    def _serve(self, call: Message) -> bool:
        """dbus-fast's handler: ``True`` where the call is ours to answer."""
        if call.message_type is not MessageType.METHOD_CALL:
            return False
        if call.interface == PEER:
            return False
        if call.path not in self._objects and call.interface not in {MANAGER, INTROSPECTABLE}:
            self._refuse(call, BusError(ErrorType.UNKNOWN_OBJECT.value, f"no object at {call.path}"))
        elif len(self._calls) >= MAX_CALLS:
            self._refuse(call, BusError(ErrorType.LIMITS_EXCEEDED.value, "too many calls at a time"))
        else:
            task = asyncio.ensure_future(self._answer(call))
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)
        return True

    async def _answer(self, call: Message) -> None:
        try:
            fault = self._faults.meet(call.member or "")
            if fault is not None:
                if not fault.name:
                    return
                raise fault
            signature, body = await self._run(call)
        except BusError as error:
            self._refuse(call, error)
        except Exception as error:
            _logger.exception("serving %s.%s", call.interface, call.member)
            self._refuse(call, BusError(ErrorType.FAILED.value, f"an internal error: {type(error).__name__}"))
        else:
            self._reply(Message.new_method_return(call, signature, body))

    def _refuse(self, call: Message, error: BusError) -> None:
        self._reply(Message.new_error(call, error.name, error.text))

    def _reply(self, reply: Message) -> None:
        if self._bus.connected:
            self._bus.send(reply)

    async def _run(self, call: Message) -> tuple[str, list[Any]]:
        path, member = call.path or "", call.member or ""
        match (call.interface, member, call.signature):
            case (str() as name, "GetManagedObjects", "") if name == MANAGER and path == "/":
                return "a{oa{sa{sv}}}", [
                    {at: {name: each.properties for name, each in held.items()} for at, held in self._objects.items()}
                ]
            case (str() as name, "Introspect", "") if name == INTROSPECTABLE:
                return "s", [self._introspect(path)]
            case (str() as name, "Get", "ss") if name == PROPERTIES:
                return "v", [self._property(path, *call.body)]
            case (str() as name, "GetAll", "s") if name == PROPERTIES:
                return "a{sv}", [self._interface(path, call.body[0]).properties]
            case (str() as name, "Set", "ssv") if name == PROPERTIES:
                await self._write(path, *call.body)
                return "", []
        found = self._interface(path, call.interface or "")
        known = found.methods.get(member)
        if known is None or known.takes != call.signature:
            text = f'Method "{member}" with signature "{call.signature}" on interface "{call.interface}" doesn\'t exist'
            raise BusError(ErrorType.UNKNOWN_METHOD.value, text)
        body = await getattr(found, known.name)(call.sender or "", *call.body)
        return known.gives, body

    def _interface(self, path: str, name: str) -> Interface:
        found = self._objects.get(path, {}).get(name)
        if found is None:
            # What GLib's and BlueZ's own D-Bus glue say of an interface that an object has not.
            raise BusError(ErrorType.UNKNOWN_METHOD.value, f'no interface "{name}" at {path}')
        return found

    def _property(self, path: str, interface: str, name: str) -> Variant:
        found = self._interface(path, interface).properties.get(name)
        if found is None:
            raise BusError(ErrorType.INVALID_ARGS.value, f"No such property '{name}'")
        return found

    async def _write(self, path: str, interface: str, name: str, value: Variant) -> None:
        found = self._interface(path, interface)
        old = self._property(path, interface, name)
        if name not in found.writable:
            raise BusError(ErrorType.PROPERTY_READ_ONLY.value, f"Property '{name}' is not writable")
        if old.signature != value.signature:
            raise BusError(ErrorType.INVALID_ARGS.value, f"'{name}' has signature {old.signature}")
        await found.write(name, value)

    def _introspect(self, path: str) -> str:
        node = Element("node")
        for interface in self._objects.get(path, {}).values():
            shown = SubElement(node, "interface", name=interface.name)
            for member, each in interface.methods.items():
                one = SubElement(shown, "method", name=member)
                for direction, types in (("in", each.takes), ("out", each.gives)):
                    for kind in _single(types):
                        SubElement(one, "arg", direction=direction, type=kind)
            for name, value in interface.properties.items():
                access = "readwrite" if name in interface.writable else "read"
                SubElement(shown, "property", name=name, type=value.signature, access=access)
        above = path.rstrip("/") + "/"
        below = {each[len(above) :].split("/")[0] for each in self._objects if each.startswith(above)} - {""}
        for name in sorted(below):
            SubElement(node, "node", name=name)
        return tostring(node, encoding="unicode")


def _single(signature: str) -> Iterator[str]:
    """The complete types of a signature. Ours have at most a dictionary or an array of one thing."""
    kinds = ("a{sv}", "as", "ay")
    while signature:
        kind = next((kind for kind in kinds if signature.startswith(kind)), signature[0])
        yield kind
        signature = signature.removeprefix(kind)
