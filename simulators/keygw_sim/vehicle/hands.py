"""What people do to a simulated car other than with a key: hands, weather, a power cut, and the car's own screen."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from keygw.model.errors import BadInput, Conflict
from keygw_sim.vehicle import orders
from keygw_sim.vehicle.body import Body
from keygw_sim.vehicle.body_rules import Deed, refusal
from keygw_sim.vehicle.brain import Brain
from keygw_sim.vehicle.car import Car


class Refused(Conflict):
    """The car's body does not let it happen now. ``cure``: what to do about it."""

    def __init__(self, why: str, code: str, cure: str) -> None:
        super().__init__(why, code=code)
        self.cure = cure


async def obey(car: Car, order: orders.Order) -> dict[str, Any]:
    """Do it, and say what came of it. ``Refused`` by the body's rules, ``Conflict`` by the brain, ``BadInput``."""
    match order:
        case orders.Reboot():
            await car.reboot()
            return {"boot_epoch": car.brain.memory.boot_epoch}
        case orders.LoseFlash():
            await car.lose_flash()
            return {"boot_epoch": car.brain.memory.boot_epoch}
        case orders.Warp(factor=factor):
            car.brain.warp = factor
            return {"warp": factor}
    told = _on_screen(car.brain, order) or _by_hand(car.brain, order)
    await car.vehicle.flush()
    return told


def status(brain: Brain) -> dict[str, Any]:
    """The body, the list, the receipts, and what the car knows of the time."""
    return {
        "body": asdict(brain.body),
        "list_sequence": brain.memory.list_sequence,
        "receipt_sequence": brain.memory.receipt_sequence,
        "time": brain.time.state.label,
        "now": brain.time.at,
    }


def keys(brain: Brain) -> dict[str, Any]:
    """The digital keys that the car knows, as its head unit shows them."""
    removed = brain.memory.removed
    return {
        "keys": [
            {"key": key_id, "index": each.index, "depth": each.depth, "removed": each.index in removed}
            for key_id, each in brain.memory.keys.items()
        ]
    }


def _on_screen(brain: Brain, order: orders.Order) -> dict[str, Any] | None:
    match order:
        case orders.Status():
            return {**status(brain), "warp": brain.warp}
        case orders.Keys():
            return keys(brain)
        case orders.Pair():
            return {"outcome": "open", "expires_in": brain.open_pairing()}
        case orders.RemoveKey(key=key):
            brain.remove_key(key)
            return {"outcome": "removed"}
    return None


def _by_hand(brain: Brain, order: orders.Order) -> dict[str, Any]:
    if isinstance(order, orders.Wake):
        return {"body": _told(brain, {"waking"}, wake=True)}
    deed, changes = _wanted(brain.body, order)
    if deed is not None:
        rule = refusal(brain.body, deed)
        if rule is not None:
            if rule.code == "vehicle_asleep":
                _told(brain, set(), wake=True)
            raise Refused(rule.why, rule.code, rule.cure)
    try:
        brain.set_body(changes)
    except KeyError as error:
        raise BadInput(f"a car has no {error.args[0]!r:.40}; see: keygw sim state", code="unknown_part") from error
    except ValueError as error:
        raise BadInput(str(error), code="bad_value") from error
    return {"body": _told(brain, set(changes))}


def _told(brain: Brain, parts: set[str], *, wake: bool = False) -> dict[str, Any]:
    if wake:
        brain.stir()
    return {part: getattr(brain.body, part) for part in sorted(parts)}


def _wanted(body: Body, order: orders.Order) -> tuple[Deed | None, dict[str, object]]:
    """What is done, and what it changes. Closing needs no leave, nor does the weather."""
    match order:
        case orders.Set():
            return None, dict(order.body)
        case orders.Door():
            return Deed.OPEN_DOOR if order.open else None, {f"{order.door}_door_open": order.open}
        case orders.Window():
            return Deed.MOVE_WINDOW, {f"{order.window}_window": order.percent}
        case orders.Trunk():
            return Deed.LIFT_TRUNK if order.open else None, {"trunk_open": order.open}
        case orders.Bonnet():
            return Deed.OPEN_BONNET if order.open else None, {"bonnet_open": order.open}
        case orders.Port():
            return Deed.OPEN_CHARGE_PORT if order.open else Deed.CLOSE_CHARGE_PORT, {"charge_port_open": order.open}
        case orders.Cable():
            changes: dict[str, object] = {"cable_connected": order.plugged}
            return (Deed.PLUG_IN, changes) if order.plugged else (None, {**changes, "charging": False})
        case orders.Charge():
            return Deed.CHARGE if order.on else None, {"charging": order.on}
        case orders.Drive():
            heading = body.heading if order.heading is None else order.heading
            return Deed.DRIVE, {"speed": order.kmh, "heading": heading}
        case orders.Park():
            return None, {"speed": 0.0, "engine_running": False}
        case orders.Battery():
            return None, {"battery": order.percent}
        case orders.Sleep():
            return Deed.SLEEP, {"asleep": True, "waking": 0.0}
    raise BadInput(f"nobody knows how to {order.do}", code="bad_order")  # pragma: no cover - the models are all there
