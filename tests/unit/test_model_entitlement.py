"""The registry of entitlements: whole, in order, and true to the commands that ask for them."""

from __future__ import annotations

from keygw.model.command import COMMANDS, Action
from keygw.model.entitlement import REGISTRY, Entitlement


def test_every_entitlement_is_described_once_in_the_order_of_its_bit() -> None:
    assert [info.entitlement for info in REGISTRY] == list(Entitlement)
    assert [info.bit for info in REGISTRY] == list(range(len(REGISTRY)))
    assert all(info.name == info.entitlement.names[0] and info.description for info in REGISTRY)


def test_the_commands_that_it_names_are_those_that_need_it() -> None:
    needed = {action.label: action.required for action in COMMANDS}
    assert [action for action in Action if action.required is None] == [Action.REMOVE_KEY], "what no device can ask for"
    assert {label: info.entitlement for info in REGISTRY for label in info.actions} == needed
