"""The page of the docs about a simulated car, drawn from its tables."""

from __future__ import annotations

from keygw_sim.vehicle.body import PARTS
from keygw_sim.vehicle.body_physics import FIGURES
from keygw_sim.vehicle.body_rules import DEED_OF, RULES, Deed

_HEAD = """\
# What a simulated car does

Drawn from the simulator by `python tools/make_car_page.py`; do not edit it by hand. How to drive one:
[drive a simulated car](../how-to/drive-a-simulated-car.md).

"""
_RULES = """\
## What it refuses

Keys and hands obey the same table, and the first rule that fits is the answer. A key hears the outcome in its signed
receipt; hands (`keygw sim`, a scenario) hear the code.

| code | what is refused | a key hears | why | what to do |
| --- | --- | --- | --- | --- |
"""
_FIGURES = """
## What time does to it

Its own time: `keygw sim warp` makes it run faster. Vehicle time, sessions and everything that a key hangs on do not.

| what | how much |
| --- | --- |
"""
_PARTS = """
## What it is made of

`keygw sim set NAME=VALUE` changes any of them, whatever the rules say.

| name | what | values | at first |
| --- | --- | --- | --- |
"""


def page() -> str:
    by_key = {deed: action.label for action, deed in DEED_OF.items()}
    parts = [_HEAD, _RULES]
    for rule in RULES:
        deeds = ", ".join(f"`{deed}`" for deed in Deed if deed in rule.deeds)
        heard = f"`{rule.outcome.label}`" if any(deed in by_key for deed in rule.deeds) else ""
        parts.append(f"| `{rule.code}` | {deeds} | {heard} | {rule.why} | {rule.cure} |\n")
    parts.append(_FIGURES)
    parts.extend(f"| {what} | {how_much} |\n" for what, how_much in FIGURES)
    parts.append(_PARTS)
    for name, part in PARTS.items():
        words, unit = part.metadata["words"], part.metadata["unit"]
        boolean = isinstance(part.default, bool)
        values = "yes or no" if boolean else f"{part.metadata['low']:g} to {part.metadata['high']:g} {unit}"
        first = ("yes" if part.default else "no") if boolean else f"{part.default:g}"
        parts.append(f"| `{name}` | {words} | {values} | {first} |\n")
    return "".join(parts)
