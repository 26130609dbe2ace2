"""Advertisement, GATT, INFO and HELLO."""

from __future__ import annotations

from keygw.model.errors import KeygwError
from keygw.session.identity import recognises
from keygw.wire import gatt
from keygw.wire.messages import Hello, MessageType, decode_info
from keygw_sim.conformance.bench import Bench, verifies
from keygw_sim.conformance.ports import Advertised
from keygw_sim.conformance.verdict import Failed, Skip, must

LISTEN_S = 1.5
ROTATION_S = 900.0


async def _heard(bench: Bench) -> Advertised:
    heard = await bench.ground.hear(LISTEN_S)
    must(bool(heard), "it is not heard")
    bench.tape.note(f"advertised: {heard[-1].name} {', '.join(heard[-1].services)}", "V>D")
    return heard[-1]


async def _advertised_id(bench: Bench) -> bytes:
    said = gatt.rotating_id((await _heard(bench)).name)
    if said is None:
        raise Failed("its name is not 8 characters of base64url")
    return said


@verifies("KS-101", radio=True)
async def advertisement(bench: Bench) -> None:
    one = await _heard(bench)
    must(one.services == (gatt.SERVICE,), f"it advertises the services {one.services}")
    must(gatt.rotating_id(one.name) is not None, f"its name is {one.name!r}")
    must(not one.others, f"it also advertises {', '.join(one.others)}")
    if one.raw:
        said = gatt.rotating_id(one.name) or b""
        must(one.raw == gatt.advertisement(said), f"its advertisement is {one.raw.hex()}")


@verifies("KS-102")
async def advertises_its_rotating_id(bench: Bench) -> None:
    said = await _advertised_id(bench)
    must(recognises(bench.rig.vehicle.advertising_key, said), f"{said.hex()} is not made with its advertising key")


@verifies("KS-103")
async def id_changes_with_a_connection(bench: Bench) -> None:
    before = await _advertised_id(bench)
    talk = await bench.meet()
    after = await _advertised_id(bench)
    must(before != after, f"it advertises {after.hex()} before and after a connection")
    await talk.leave()
    wires = [await bench.meet(), await bench.meet()]
    infos = {talk.probe.greeting[:-53] for talk in wires}
    must(len(infos) == 2, "two connections read the same rotating id")


@verifies("KS-104")
async def id_changes_with_time(bench: Bench) -> None:
    before = await _advertised_id(bench)
    await bench.ground.pass_time(ROTATION_S + 1)
    must(await _advertised_id(bench) != before, "after 15 minutes it advertises the same id")


@verifies("KS-105")
async def info_has_its_form(bench: Bench) -> None:
    wire = await bench.ground.connect()
    info = await wire.read_info()
    await wire.close()
    try:
        versions, said = decode_info(info)
    except KeygwError as error:
        raise Failed(f"INFO {info.hex()} does not decode: {error}") from error
    must(1 in versions, f"INFO lists the versions {versions}")
    must(recognises(bench.rig.vehicle.advertising_key, said), f"INFO tells the id {said.hex()}, which is not its own")


@verifies("KS-106")
async def info_stays(bench: Bench) -> None:
    talk = await bench.link(bench.rig.owner())
    first = await talk.wire.read_info()
    await talk.hello()
    second = await talk.wire.read_info()
    await talk.open()
    third = await talk.wire.read_info()
    must(first == second == third, f"INFO was {first.hex()}, {second.hex()}, {third.hex()} on one connection")


@verifies("KS-107", radio=True)
async def layout(bench: Bench) -> None:
    wire = await bench.ground.connect()
    found = await wire.layout()
    await wire.close()
    if found is None:
        raise Skip("links in memory have no GATT")
    have = dict(found.characteristics)
    wanted = {
        gatt.RX: {"write", "write-without-response"},
        gatt.TX: {"notify"},
        gatt.INFO: {"read"},
    }
    for uuid, properties in wanted.items():
        must(uuid in have, f"there is no characteristic {uuid}")
        must(properties <= have[uuid], f"{uuid} has only {', '.join(sorted(have[uuid]))}")


@verifies("KS-108")
async def speaks_once_it_is_heard(bench: Bench) -> None:
    talk = await bench.link(bench.rig.owner())
    await talk.silent("connecting")
    await talk.wire.subscribe()
    message = await talk.next()
    must(message is not None, "no HELLO comes when TX is subscribed")
    must(message is not None and message[0] == MessageType.HELLO, "what it says first is no HELLO")


@verifies("KS-109")
async def hello_has_its_form(bench: Bench) -> None:
    talk = await bench.link(bench.rig.owner())
    await talk.wire.subscribe()
    message = await talk.next()
    must(message is not None, "no HELLO comes")
    must(message is not None and len(message) == 54, f"HELLO has {len(message or b'')} bytes")
    must(message is not None and message[1] == 1, "the lowest version that it admits is not 1")


@verifies("KS-110")
async def every_hello_is_fresh(bench: Bench) -> None:
    hellos = []
    for _ in range(2):
        talk = await bench.meet()
        hellos.append(talk.probe.hello)
        talk.probe.request_hello()
        await talk.flush()
        await talk.next()
        hellos.append(talk.probe.hello)
    told = [Hello.decode(hello) for hello in hellos]
    must(len({each.nonce for each in told}) == 4, "a nonce n_v comes twice")
    must(len({each.ephemeral for each in told}) == 4, "a key G_V comes twice")


@verifies("KS-111")
async def g_v_is_no_g_y(bench: Bench) -> None:
    talk = await bench.meet()
    await talk.begin()
    await talk.proven()
    g_y = next(message for message in talk.messages if message[0] == MessageType.MESSAGE_2)[3:35]
    must(g_y != Hello.decode(talk.probe.hello).ephemeral, "G_V of HELLO is used as G_Y of message_2")


@verifies("KS-112")
async def boots_are_counted(bench: Bench) -> None:
    before = Hello.decode((await bench.meet()).probe.hello).boot_epoch
    await bench.hands.reboot()
    after = Hello.decode((await bench.meet()).probe.hello).boot_epoch
    must(after == before + 1, f"the boot epoch was {before}, and after a start {after}")
