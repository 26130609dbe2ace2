"""The gateway pairs over links with real cars: finds the one that shows the code, stakes no guess with any other."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest

from keygw.crypto.signer import LocalSigner, thumbprint
from keygw.model.command import Outcome
from keygw.model.errors import LinkError, ProtocolError
from keygw.model.vehicle import Vehicle
from keygw.session.events import Ticketed
from keygw.vehicle.pairing import PairingTask, pair
from keygw.wire.messages import MessageType
from keygw_sim.chance import chance, new_signer
from keygw_sim.memory_air import MemoryAir
from keygw_sim.memory_link import MemoryLink
from keygw_sim.rehearsal import Office
from keygw_sim.vehicle.brain import Brain
from keygw_sim.vehicle.flash import Flash, Issuer
from keygw_sim.vehicle.runner import new_vehicle


class Street:
    """Two cars nobody owns, an issuer that both trust, and a device that wants one of them."""

    def __init__(self, folder: Path) -> None:
        self.random = chance("street", "all")
        self.office = Office(self.random)
        self.codes: dict[Brain, str] = {}
        self.near, self.far = self._car(folder / "near"), self._car(folder / "far")
        self.air = MemoryAir(self.near, self.far)
        self.signer: LocalSigner = new_signer(self.random)
        self.said: list[str] = []

    def _car(self, folder: Path) -> Brain:
        memory = new_vehicle("Car", self.random)
        key = self.office.key
        memory.issuers.append(Issuer(key.issuer, key.kid, key.public_key))
        made: list[Brain] = []

        def log(what: str, data: dict[str, object]) -> None:
            if what == "pairing_code":
                self.codes[made[0]] = str(data["code"])

        made.append(Brain(memory, Flash(folder), os.urandom, lambda: 0.0, log))
        return made[0]

    def show(self, car: Brain) -> str:
        car.open_pairing()
        return self.codes[car]

    async def pair(self, code: str, seconds: float = 0.3) -> Outcome:
        return await pair(
            self.air,
            PairingTask(code, self.signer, self._proving, self._issue),
            os.urandom,
            seconds,
        )

    async def _proving(self) -> None:
        self.said.append("proving")

    async def _issue(self, ticketed: Ticketed) -> bytes:
        self.said.append("enrolled")
        said = ticketed.credential
        vehicle = Vehicle(said.vehicle_id, "Car", said.public_key, said.advertising_key)
        return self.office.hand(self.office.claims(vehicle, self.signer.public_key)).token


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    made = Street(tmp_path)
    yield made
    await made.air.close()


@pytest.mark.parametrize("max_frame", [20, 512])
async def test_it_finds_the_car_that_shows_the_code(street: Street, max_frame: int) -> None:
    street.air.max_frame = max_frame
    assert await street.pair(street.show(street.far), seconds=5) is Outcome.DONE
    assert street.said == ["proving", "enrolled"]
    assert street.far.memory.owners == [thumbprint(street.signer.public_key)]
    assert street.near.memory.owners == []
    assert [kind for car, kind in street.air.seen if car is street.near] == [MessageType.PAIR_ASK]


async def test_no_guess_is_staked_where_no_code_is_shown(street: Street) -> None:
    with pytest.raises(LinkError) as refused:
        await street.pair("00000000")
    assert refused.value.code == "no_code_shown"
    assert {kind for _, kind in street.air.seen} == {MessageType.PAIR_ASK}
    assert street.said == []


async def test_a_radio_that_stays_taken_is_not_a_car_without_a_code(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def taken(*_: object) -> NoReturn:
        raise LinkError("taken", code="radio_busy")

    monkeypatch.setattr(street.air, "open", taken)
    with pytest.raises(LinkError) as refused:
        await street.pair("00000000")
    assert refused.value.code == "radio_busy"


async def test_a_radio_that_was_taken_for_a_while_is_asked_again(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    really, left = street.air.open, 2

    async def taken_at_first(*args: Any) -> MemoryLink:
        nonlocal left
        left -= 1
        if left >= 0:
            raise LinkError("taken", code="radio_busy")
        return await really(*args)

    monkeypatch.setattr(street.air, "open", taken_at_first)
    assert await street.pair(street.show(street.far), seconds=5) is Outcome.DONE


async def test_it_waits_for_somebody_to_press_the_button(street: Street) -> None:
    trying = asyncio.create_task(street.pair("31415926", seconds=5))
    await street.air.heard(4)
    street.show(street.near)
    with pytest.raises(ProtocolError) as refused:
        await trying
    assert refused.value.code == "pairing_code_wrong"
    assert street.near.memory.pairing.tries == 1


async def test_without_cars_it_says_so(street: Street) -> None:
    street.air.cars.clear()
    with pytest.raises(LinkError) as refused:
        await street.pair("00000000", seconds=0.05)
    assert refused.value.code == "out_of_range"


@pytest.mark.parametrize("lost", [MessageType.PAIR_SHARE, MessageType.ENROL, MessageType.OWNER_TOKEN])
async def test_a_lost_link_is_told(street: Street, lost: MessageType) -> None:
    street.air.cut = lost
    with pytest.raises(LinkError) as refused:
        await street.pair(street.show(street.near))
    assert refused.value.code == "link_lost"


async def test_a_link_that_is_lost_before_the_guess_costs_nothing(street: Street) -> None:
    street.air.cut = MessageType.PAIR_ASK
    with pytest.raises(LinkError) as refused:
        await street.pair(street.show(street.near))
    assert refused.value.code == "no_code_shown"
    assert street.near.memory.pairing.tries == 0


async def test_a_code_that_ran_out_of_tries_meanwhile_is_refused(street: Street) -> None:
    code = street.show(street.near)
    street.near.memory.pairing = replace(street.near.memory.pairing, tries=5)
    with pytest.raises(LinkError) as refused:
        await street.pair(code)
    assert refused.value.code == "no_code_shown"
