"""Where the specification describes what: a page of ``protocols/`` and a heading on it. A test reads the headings."""

from __future__ import annotations

from keygw.wire.messages import MessageType as M

SESSION = "protocols/key_session/README.md"
PAIRING = "protocols/owner_pairing/README.md"
TOKEN = "protocols/key_token/README.md"  # noqa: S105 - a page, not a secret

BLUETOOTH = f"{SESSION}#bluetooth"
FRAMES = f"{SESSION}#frames"
MESSAGES = f"{SESSION}#messages"
STATES = f"{SESSION}#states"
LIMITS = f"{SESSION}#timers-and-limits"
ERRORS = f"{SESSION}#errors"
CHANNEL = f"{SESSION}#keys-of-the-channel"
HANDSHAKE = f"{SESSION}#handshake"
FAST_PATH = f"{SESSION}#fast-path"
VERSIONS = f"{SESSION}#versions"

_OF_MESSAGES = {
    M.MESSAGE_1: HANDSHAKE,
    M.MESSAGE_2: HANDSHAKE,
    M.MESSAGE_3: HANDSHAKE,
    M.FAST: FAST_PATH,
    M.FAST_RESULT: FAST_PATH,
    M.ERROR: ERRORS,
    M.RL_PUSH: f"{TOKEN}#revocation-list",
    M.RL_GIVE: f"{TOKEN}#revocation-list",
    M.RL_ACK: f"{TOKEN}#acknowledgement",
    M.TIME_PROOF: f"{SESSION}#vehicle-time",
    M.RANGE: f"{SESSION}#ranging",
    M.CRED_PUT: f"{TOKEN}#grant-and-sharing-chain",
    M.ISSUER_KEY: f"{SESSION}#issuer-keys",
    M.ISSUER_KEY_ACK: f"{SESSION}#issuer-keys",
    M.RECEIPT: f"{TOKEN}#receipt",
    **dict.fromkeys(
        (M.PAIR_ASK, M.PAIR_OFFER, M.PAIR_SHARE, M.PAIR_PROOF, M.ENROL, M.PAIR_TICKET, M.OWNER_TOKEN),
        f"{PAIRING}#messages",
    ),
}


def of_message(message_type: M) -> str:
    return _OF_MESSAGES.get(message_type, MESSAGES)


def every() -> frozenset[str]:
    """All references a record may hold."""
    own = {BLUETOOTH, FRAMES, MESSAGES, STATES, LIMITS, ERRORS, CHANNEL, HANDSHAKE, FAST_PATH, VERSIONS}
    return frozenset(own | set(_OF_MESSAGES.values()))
