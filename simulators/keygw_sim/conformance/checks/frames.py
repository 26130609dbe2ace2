"""Framing, from the vehicle's side."""

from __future__ import annotations

from keygw.model.command import Action
from keygw_sim.conformance.bench import Bench, verifies
from keygw_sim.conformance.talk import Talk
from keygw_sim.conformance.verdict import must

_HELLO_REQ = b"\x02"


async def _first_frames(bench: Bench, size: int = 20) -> tuple[Talk, list[bytes]]:
    """A link that is greeted, and the frames of its message_1, not yet sent."""
    talk = await bench.meet()
    talk.probe.begin(bench.ground.clock())
    return talk, talk.frames(talk.probe._outbox.popleft(), size)


@verifies("KS-201")
async def frames_of_any_size(bench: Bench) -> None:
    talk, frames = await _first_frames(bench, 3)
    for at, frame in enumerate(frames):
        await talk.frame(frame, f"message_1, frame {at + 1} of {len(frames)}")
    await talk.proven()


@verifies("KS-202")
async def frame_of_one_byte(bench: Bench) -> None:
    talk = await bench.meet()
    await talk.frame(b"\xc0", "a frame that is its header alone")
    await talk.refused("a frame of one byte")


@verifies("KS-203")
async def repeated_frame(bench: Bench) -> None:
    talk, frames = await _first_frames(bench)
    await talk.frame(frames[0], "the first frame of message_1")
    await talk.frame(frames[0], "the same frame again")
    await talk.refused("a frame that comes twice")


@verifies("KS-203")
async def missing_frame(bench: Bench) -> None:
    talk, frames = await _first_frames(bench, 12)
    await talk.frame(frames[0], "the first frame of message_1")
    await talk.frame(frames[2], "its third frame")
    await talk.refused("a frame whose sequence is not the next")


@verifies("KS-203")
async def sequence_runs_over_messages(bench: Bench) -> None:
    talk = await bench.meet()
    await talk.message(_HELLO_REQ)
    await talk.next()
    await talk.frame(b"\xc0" + _HELLO_REQ, "HELLO_REQ with the sequence from 0 again")
    await talk.refused("a sequence that starts anew with a message")


@verifies("KS-204")
async def first_inside_a_message(bench: Bench) -> None:
    talk, frames = await _first_frames(bench)
    await talk.frame(frames[0], "the first frame of message_1")
    await talk.frame(bytes((frames[1][0] | 0x80,)) + frames[1][1:], "the second one, marked FIRST")
    await talk.refused("FIRST inside a message")


@verifies("KS-205")
async def no_first_at_the_start(bench: Bench) -> None:
    talk = await bench.meet()
    await talk.frame(b"\x40" + _HELLO_REQ, "HELLO_REQ that is not marked FIRST")
    await talk.refused("a message without FIRST")


@verifies("KS-206")
async def too_large_before_authentication(bench: Bench) -> None:
    talk = await bench.meet()
    await talk.message(b"\x10" + bytes(512))
    await talk.refused("a message of 513 bytes before authentication")


@verifies("KS-206")
async def an_endless_message(bench: Bench) -> None:
    """The limit counts while the message grows, not when it has ended."""
    talk = await bench.meet()
    size = min(talk.wire.max_frame, 200)
    frames = talk.frames(b"\x10" + bytes(900), size)
    for frame in frames[:-1]:
        await talk.frame(frame, "a part of a message that does not end")
    await talk.refused("more than 512 bytes of one message before authentication")


@verifies("KS-207")
async def too_large_after_authentication(bench: Bench) -> None:
    talk = await bench.enter()
    size = min(talk.wire.max_frame, 500)
    frames = talk.frames(b"\x40" + bytes(4600), size)
    for frame in frames[:-1]:
        await talk.frame(frame, "a part of a message of more than 4096 bytes")
    await talk.refused("more than 4096 bytes of one message")


@verifies("KS-208")
async def a_message_that_stays_unfinished(bench: Bench) -> None:
    talk, frames = await _first_frames(bench)
    await talk.frame(frames[0], "the first frame of message_1")
    await bench.ground.pass_time(2.6)
    for frame in frames[1:]:
        await talk.frame(frame, "the rest, 2.6 s later")
    await talk.refused("a message that stayed unfinished for more than 2 s")


@verifies("KS-209")
async def silence_between_messages(bench: Bench) -> None:
    talk = await bench.enter()
    await bench.ground.pass_time(3.0)
    await talk.command(Action.LOCK, bench.rig.number())


@verifies("KS-210")
async def its_own_frames(bench: Bench) -> None:
    """Every talk of the kit holds them to the rules; here they count past 64."""
    talk = await bench.enter()
    size = talk.wire.max_frame
    for _ in range(68):
        await talk.command(Action.LOCK, bench.rig.number())
    must(len(talk.messages) > 64, "it has not said enough")
    must(talk.wire.max_frame == size, "the link has changed its frames")
