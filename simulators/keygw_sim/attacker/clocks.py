"""The car's clock set wrong, by whoever can reach its battery or its radio time."""

from __future__ import annotations

from keygw.model.command import Outcome
from keygw_sim.attacker.attack import attack
from keygw_sim.attacker.scene import Scene
from keygw_sim.rehearsal import ISSUED_AT, LIFETIME

DAY = 86_400


@attack(
    "clock-back",
    "sets the car's clock back to when its key was good, and that time is over",
    protects="the car's time never goes below what the issuer has signed: the iat of its list and of its keys",
    expected="key_expired",
    recorded=("receipt: key_expired",),
)
async def back(scene: Scene) -> str:
    garage = scene.garage
    garage.time = ISSUED_AT + LIFETIME + 60
    visit = garage.visit("owner", expires_at=ISSUED_AT + DAY)
    visit.prove()
    now = int(garage.time)
    garage.push(visit, garage.office.sign_list(garage.vehicle, 1, issued_at=now, next_update=now + DAY))
    visit.leave()
    garage.reboot()
    garage.time = ISSUED_AT + 60
    scene.strike()
    return garage.tries("owner").label


@attack(
    "clock-back-before-any-list",
    "the same on a car that the issuer's time has not reached since the key ended",
    protects="the floor of the car's time is the newest signature of the issuer that it has seen",
    expected="done",
    recorded=("receipt: done",),
    remains="a key whose time is over opens such a car again: who can set its clock back gains the time since the "
    "issuer's last signature reached it",
    stopped=False,
)
async def back_before_any_list(scene: Scene) -> str:
    garage = scene.garage
    garage.time = ISSUED_AT + LIFETIME + 60
    scene.must(garage.tries("owner").label == "key_expired", "the key has not ended")
    garage.time = ISSUED_AT + 60
    scene.strike()
    return garage.tries("owner").label


@attack(
    "clock-forward",
    "sets the car's clock forward ten years, so that every key counts as expired, and back again",
    protects="a clock alone moves nothing that lasts: only signatures of the issuer lift the floor",
    expected="key_expired",
    recorded=("receipt: key_expired",),
    remains="while the clock is wrong nobody gets in: it fails closed",
)
async def forward(scene: Scene) -> str:
    garage = scene.garage
    garage.enrol("owner")
    scene.strike()
    garage.time += 3650 * DAY
    came = garage.tries("owner").label
    garage.reboot()
    garage.time -= 3650 * DAY
    scene.must(garage.visit("owner").prove().outcome is Outcome.DONE, "the owner is locked out for ten years")
    return came
