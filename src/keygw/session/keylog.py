"""The lines that a test rig may have a session write, so that who watched its frames can read them afterwards.

Off unless somebody sets ``Session.key_log``. The form is that of ``keygw.session.trace.keylog``, which reads it.
"""

from __future__ import annotations

from collections.abc import Callable

from keygw.crypto.aead import KEY_BYTES, NONCE_BYTES
from keygw.session.channel import LABEL_IV, LABEL_KEY, Channel
from keygw.session.edhoc import Schedule
from keygw.session.states import Side

KeyLogLine = Callable[[str], None]
"""Takes one line, without its end."""


def handshake_line(g_x: bytes, schedule: Schedule) -> str:
    """``HANDSHAKE G_X PRK_2e TH_3``, once TH_3 is known."""
    return f"HANDSHAKE {g_x.hex()} {schedule.prk_2e.hex()} {schedule.th_3.hex()}"


def channel_line(name: bytes, channel: Channel) -> str:
    """``CHANNEL name AAD key-D IV-D key-V IV-V``; ``name``: what the air shows of the session."""
    export, context, transcript = channel.derivation
    words = [name.hex(), transcript.hex()]
    for side in (Side.DEVICE, Side.VEHICLE):
        words.append(export(LABEL_KEY[side], context, KEY_BYTES).hex())
        words.append(export(LABEL_IV[side], context, NONCE_BYTES).hex())
    return " ".join(["CHANNEL", *words])
