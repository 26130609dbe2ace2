"""Frames, the channel, and one link read by who knows the device's ephemeral secret."""

from collections.abc import Callable
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from second_reader.cbor import Refused, demand, either, encode, many, sequence, single, size, uint
from second_reader.objects import (
    BODIES,
    CHAIN_REQUIRED,
    FROM_VEHICLE,
    INFO,
    INTENT,
    SIGNED,
    Issuers,
    Token,
    agree,
    cose_key,
    expand,
    follow_chain,
    mac,
    open_signed,
    raw_id,
    sha,
    verify,
)


def connection_id(value: Any) -> bool:
    """A byte string that is the very encoding of an integer -24..23 is written as that integer (RFC 9528, 3.3.2)."""
    if type(value) is not bytes:
        return uint(-24, 23)(value)
    return not (len(value) == 1 and value[0] & 31 < 24 and value[0] >> 5 < 2)


def reassemble(frames: list[bytes], limit: int = 4096, first: int = 0) -> list[bytes]:
    messages: list[bytes] = []
    partial: bytes | None = None
    for number, frame in enumerate(frames, first):
        demand(2 <= len(frame) <= 512 and frame[0] & 63 == number % 64, "length or sequence")
        demand(bool(frame[0] & 128) == (partial is None), "FIRST")
        partial = (partial or b"") + frame[1:]
        demand(len(partial) <= limit, "message too large")
        if frame[0] & 64:
            messages.append(partial)
            partial = None
    return messages


class Channel:
    """Sealing in both directions: key, IV and the count of messages of each."""

    def __init__(self, transcript: bytes, derive: Callable[[int, int], bytes]) -> None:
        self.transcript = transcript
        self.session = sha(transcript)[:8]
        self.keys = [derive(32769, 16), derive(32770, 16)]
        self.ivs = [derive(32771, 12), derive(32772, 12)]
        self.counters = [0, 0]

    def open(self, kind: int, sealed: bytes, side: int | None = None) -> bytes:
        side = int(kind in FROM_VEHICLE) if side is None else side
        counter = self.counters[side].to_bytes(8, "big")
        nonce = bytes(a ^ b for a, b in zip(self.ivs[side], bytes(4) + counter, strict=True))
        try:
            plain = AESGCM(self.keys[side]).decrypt(nonce, sealed, self.transcript + bytes([side, kind]) + counter)
        except (InvalidTag, ValueError):
            raise Refused("does not open") from None
        self.counters[side] += 1
        return plain


class Reader:
    """One link, read by who knows the device's ephemeral secret. `hear` returns the plaintext, or the body."""

    def __init__(self, inputs: dict[str, Any], shared: dict[str, bytes]) -> None:
        self.secret = bytes.fromhex(inputs.get("g_x_secret") or inputs["g_d_secret"])
        self.vehicle_text: str = inputs["vehicle_id"]
        self.vehicle = raw_id(self.vehicle_text)
        self.shared = shared  # issuer_public, issuer_kid, vehicle_public, enrolled, kept token, K_fast, K_id
        self.info = bytes.fromhex(inputs["info"])
        demand(INFO(single(self.info)) and 1 in single(self.info)[0], "INFO")
        self.cred_r = encode({2: self.vehicle_text, 8: {1: cose_key(shared["vehicle_public"])}})
        self.channel: Channel | None = None
        self.seen: dict[str, bytes] = {}  # every value that the vectors may name
        self.awaited: set[int] = set()
        self.round = 0
        self.round_asked: tuple[int, int] | None = None
        self.outcome: int | None = None
        self.number: int | None = None
        self.nonce: bytes | None = None
        self.list_digest: bytes | None = None
        self.issuers = Issuers(shared.get("issuer_name", b"").decode(), *(
            shared.get(f"issuer_{part}", b"") for part in ("kid", "public")))  # fmt: skip
        self.stage = "silent"

    def token(self, data: bytes) -> Token:
        shared = self.shared
        return Token(data, shared["issuer_public"], shared["issuer_kid"], self.vehicle, shared["vehicle_public"])

    def hear(self, message: bytes) -> bytes:
        demand(len(message) > 0, "empty")
        kind, body = message[0], message[1:]
        if kind == 0x7F:
            demand(len(body) == 1, "ERROR")
            return body
        if self.channel and kind not in (0x01, 0x02, 0x10, 0x11, 0x12, 0x20):
            return self._sealed(kind, body)
        steps: dict[tuple[str, int], Callable[[bytes], str]] = {
            ("silent", 0x01): self._hello, ("greeted", 0x02): self._hello_req, ("greeted", 0x10): self._message_1,
            ("asked", 0x11): self._message_2, ("proven", 0x12): self._message_3, ("greeted", 0x20): self._fast,
        }  # fmt: skip
        demand((self.stage, kind) in steps, "out of turn")
        self.stage = steps[self.stage, kind](body)
        return body

    def _hello(self, body: bytes) -> str:
        demand(len(body) == 53 and body[0] == 1, "HELLO")
        self.hello = body
        self.seen |= {"G_V": body[17:49], "hello_hash": sha(self.info + body)}
        return "greeted"

    def _hello_req(self, body: bytes) -> str:
        demand(not body, "HELLO_REQ has a body")
        return "silent"

    def _message_1(self, body: bytes) -> str:
        items = sequence(body)
        demand(len(items) == 4, "four items: no EAD_1")
        method, suites, self.g_x, c_i = items
        demand(encode(method) == b"\0", "method")
        several = many(uint(-(2**64), 2**64), 2, 16)(suites) and len(set(suites)) == len(suites) and suites[-1] == 6
        demand(encode(suites) == b"\6" or several, "suite")
        demand(size(32)(self.g_x) and connection_id(c_i), "G_X, C_I")
        agree(bytes(range(32)), self.g_x)  # a point of low order gives zero with any scalar
        self.seen["H(message_1)"] = sha(body)
        return "asked"

    def _kdf(self, prk: bytes, label: int, context: bytes, length: int) -> bytes:
        return expand(prk, encode(label) + encode(context) + encode(length), length)

    def _message_2(self, body: bytes) -> str:
        whole = single(body)
        demand(size(33, 512)(whole), "message_2")
        g_y, sealed = whole[:32], whole[32:]
        shared = agree(self.secret, g_y)
        th_2 = sha(encode(g_y) + encode(self.seen["H(message_1)"]))
        self.prk = prk = mac(th_2, shared)
        stream = self._kdf(prk, 0, th_2, len(sealed))
        plain = bytes(a ^ b for a, b in zip(sealed, stream, strict=True))
        items = sequence(plain)
        demand(len(items) >= 3 and connection_id(items[0]), "C_R")
        demand(encode(items[1]) == b"\0" and size(64)(items[2]), "ID_CRED_R, signature")
        ead = b"".join(map(encode, items[3:]))
        demand(not any(label < 0 for label, _ in self._ead(items[3:])), "critical EAD_2")
        id_cred = encode({4: b"\0"})
        mac_2 = self._kdf(prk, 2, encode(items[0]) + id_cred + encode(th_2) + self.cred_r + ead, 32)
        signed = encode(["Signature1", id_cred, encode(th_2) + self.cred_r + ead, mac_2])
        verify(self.shared["vehicle_public"], signed, items[2])
        self.th_3 = sha(encode(th_2) + plain + self.cred_r)
        self.seen |= {
            "G_XY": shared, "TH_2": th_2, "PRK_2e": prk, "KEYSTREAM_2": stream, "plaintext_2": plain, "MAC_2": mac_2,
            "to be signed 2": signed, "signature 2": items[2], "TH_3": self.th_3, "CRED_R": self.cred_r,
        }  # fmt: skip
        return "proven"

    def _ead(self, items: list[Any]) -> list[tuple[int, bytes | None]]:
        found: list[tuple[int, bytes | None]] = []
        for item in items:
            if type(item) is int:
                found.append((item, None))
            else:
                demand(type(item) is bytes and bool(found) and found[-1][1] is None, "EAD")
                found[-1] = (found[-1][0], item)
        return found

    def _message_3(self, body: bytes) -> str:
        sealed, th_3 = single(body), self.th_3
        demand(size(17, 512)(sealed), "message_3")
        key, iv = self._kdf(self.prk, 3, th_3, 16), self._kdf(self.prk, 4, th_3, 12)
        aad = encode(["Encrypt0", b"", th_3])
        try:
            plain = AESGCM(key).decrypt(iv, sealed, aad)
        except InvalidTag:
            raise Refused("does not open") from None
        items = sequence(plain)
        demand(len(items) >= 2 and size(64)(items[1]), "signature")
        id_cred, cred = self._credential(items[0])
        token = self.token(cred)
        ead = b"".join(map(encode, items[2:]))
        context = encode(th_3) + cred + ead
        mac_3 = self._kdf(self.prk, 6, id_cred + context, 32)
        signed = encode(["Signature1", id_cred, context, mac_3])
        verify(token.device, signed, items[1])
        ours = [value for label, value in self._ead(items[2:]) if label < 0 or label == 65001]
        critical = [label for label, _ in self._ead(items[2:]) if label < 0]
        demand(critical == [-65001] and len(ours) == 1 and ours[0] is not None, "EAD_3")
        intent = single(ours[0] or b"")
        demand(INTENT(intent) and intent[0] == self.seen["hello_hash"][:8], "intent")
        self.number = intent[3] and intent[3][0]
        self.leaf = token
        th_4 = sha(encode(th_3) + plain + cred)
        prk_out = self._kdf(self.prk, 7, th_4, 32)
        exporter = self._kdf(prk_out, 10, b"", 32)
        bound = self.seen["hello_hash"] + self.vehicle + token.id
        self.exporter = exporter
        self.channel = Channel(th_4, lambda label, length: self._kdf(exporter, label, bound, length))
        self.seen |= {
            "K_3": key, "IV_3": iv, "A_3": aad, "plaintext_3": plain, "MAC_3": mac_3, "to be signed 3": signed,
            "signature 3": items[1], "EAD_3 value": ours[0] or b"", "TH_4": th_4, "PRK_out": prk_out,
            "PRK_exporter": exporter, "exporter context": bound, "K_fast": self._kdf(exporter, 32773, bound, 32),
            "K_id": self._kdf(exporter, 32774, bound, 32),
        }  # fmt: skip
        self._note_channel()
        return "shown"

    def _credential(self, id_cred: Any) -> tuple[bytes, bytes]:
        """ID_CRED_I as the map that is signed, and CRED_I."""
        if isinstance(id_cred, dict):
            demand(list(id_cred) == [13], "ID_CRED_I")
            return encode(id_cred), encode(id_cred[13])
        demand(either(uint(0, 23), size(2))(id_cred), "ID_CRED_I")
        kid = bytes([id_cred]) if type(id_cred) is int else id_cred
        index = int.from_bytes(kid, "big")
        demand(len(kid) == (1 if index < 24 else 2) and "kept" in self.shared, "nothing kept")
        demand(self.token(self.shared["kept"]).index == index, "nothing kept under this kid")
        return encode({4: kid}), self.shared["kept"]

    def _note_channel(self) -> None:
        channel = self.channel
        assert channel is not None
        names = ("key D>V", "key V>D", "iv D>V", "iv V>D")
        self.seen |= dict(zip(names, channel.keys + channel.ivs, strict=True)) | {"session hash": channel.session}

    def _fast(self, body: bytes) -> str:
        demand(len(body) == 62, "FAST")
        ktag, g_d, greeting = body[:8], body[8:40], self.info + self.hello
        agree(bytes(range(32)), g_d)
        demand(ktag == mac(self.shared["K_id"], b"tag" + greeting + g_d)[:8], "unknown ktag")
        th_f = sha(self.vehicle + greeting + ktag + g_d)
        prk = mac(self.shared["K_fast"], agree(self.secret, self.hello[17:49]))
        self.channel = Channel(th_f, lambda label, length: expand(prk, label.to_bytes(2, "big") + th_f, length))
        self.seen |= {"TH_F": th_f, "PRK": prk, "FAST": self.channel.open(0x20, body[40:])}
        self._note_channel()
        return "hurried"

    def _sealed(self, kind: int, sealed: bytes) -> bytes:
        assert self.channel is not None
        demand(kind == {"shown": 0x13, "hurried": 0x21}.get(self.stage, kind), "out of turn")
        demand(self.stage != "quick" or kind not in (0x13, 0x42, 0x43, 0x44), "not in QUICK")
        if kind == 0x21:
            demand(self.stage == "hurried" and len(sealed) == 25, "FAST_RESULT")
            self.stage = "quick"
            return self.channel.open(kind, sealed)
        demand(kind in BODIES or kind in SIGNED or kind == 0x46, "unknown type")
        demand(len(sealed) >= 16, "no tag")
        plain = self.channel.open(kind, sealed, int(self.round_asked is not None) if kind == 0x44 else None)
        if kind == 0x46:
            demand(not plain, "RL_GET says something")
        elif kind in SIGNED:
            if plain or kind != 0x47:
                self._signed(kind, plain)
        else:
            body = single(plain)
            demand(BODIES[kind](body), "shape")
            self._body(kind, body)
        return plain

    def _signed(self, kind: int, data: bytes) -> None:
        typ, shared = SIGNED[kind], self.shared
        if typ == "dkia":
            body, _ = open_signed(data, typ, shared["vehicle_public"])
            kid, _, sequence, _, digest = self.issuers.newest
            demand(body[1:4] == [sequence, kid, digest], "another issuer key")
        elif typ == "dkra":
            body, _ = open_signed(data, typ, shared["vehicle_public"])
            demand(body[2] == self.list_digest, "acknowledges another list")
        else:
            body, digest = open_signed(data, typ, shared["issuer_public"], shared["issuer_kid"])
            if typ == "dkrl":
                self.list_digest = digest
            else:
                demand(body[1] == self.nonce, "another nonce")
        demand(body[0] == self.vehicle, "another vehicle")

    def _body(self, kind: int, body: Any) -> None:
        if kind == 0x13:
            demand(body[1] == (self.number if self.stage == "shown" else None), "number")
            self.stage, self.outcome, self.nonce = "open", body[0], body[4]
        elif kind == 0x30:
            demand(body[0] not in self.awaited, "number is awaited")
            self.awaited.add(body[0])
        elif kind == 0x31:
            demand(body[0] in self.awaited, "not awaited")
            self.awaited.remove(body[0])
        elif kind == 0x34:
            for data in body[0]:
                receipt, _ = open_signed(data, "dkrc", self.shared["vehicle_public"])
                demand(receipt[0] == self.vehicle, "receipt of another vehicle")
                self.seen["receipt's session"] = receipt[9]
        elif kind == 0x44:
            self._range(*body)
        elif kind == 0x45:
            self.issuers.learn(body)
        elif kind == 0x43:
            demand(self.outcome == CHAIN_REQUIRED, "nobody asked for a chain")
            self.outcome = None
            follow_chain(self.leaf, body, self.token, self.shared["enrolled"])

    def _range(self, number: int, method: int, found: Any) -> None:
        """A round is asked for by the device, without a finding, and answered by the vehicle, with one."""
        if self.round_asked is None:
            demand(found is None and number > self.round, "a round that is not the next, or a device's own finding")
            self.round, self.round_asked = number, (number, method)
            secret = self._kdf(self.exporter, 32775, self.seen["exporter context"], 32)
            name = {1: "uwb", 2: "channel_sounding"}[method]
            info = b"keygw range" + bytes([method]) + number.to_bytes(4, "big")
            self.seen |= {"K_range": secret, f"key of round {number}, {name}": expand(secret, info, 16)}
        else:
            demand(found is not None and (number, method) == self.round_asked, "answers another round")
            self.round_asked = None
