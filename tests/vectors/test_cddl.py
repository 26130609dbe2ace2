"""The CDDL in the specifications, read by a CDDL tool that knows nothing of keygw, fits the vectors: good ones and bad.

What a CDDL cannot say (shortest heads, order, what was said before, what a curve holds) is listed here; every other
invalid plaintext must be refused by the CDDL as well.
"""

from __future__ import annotations

import base64
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cddl_verifier import CBORDecodeError, Validator  # type: ignore[import-untyped]  # it ships no types
from shapes import MESSAGES

PROTOCOLS = Path(__file__).resolve().parent.parent.parent / "protocols"
PAGES = ("key_session", "key_token", "owner_pairing", "attestation", "status_list", "audit_trail")
SEQUENCES = ("message_1", "message_2", "message_3", "plaintext_2", "plaintext_3")
SEALED = {name: shape.cddl for name, shape in MESSAGES.items() if shape.body is None and shape.cddl}
PAIRING = {"enrol": "enrol", "ticket": "credential", "answer": "outcome", "token": "Key_Token"}
OBJECTS = {"cwt": "Key_Token", "list": "Revocation_List", "ack": "List_Ack", "receipt": "Receipt"}
ISSUER_KEYS = {"issuer_key": "Issuer_Key", "issuer_key_ack": "Issuer_Key_Ack"}
BEYOND_CDDL = re.compile(
    r"not in its shortest form|indefinite length|number is another|number is nil, though|command that was not asked"
    r"|not a number|is infinite|off the curve|signature is zeros|has signed|nobody has shown|was not signed"
    r"|is about another|names th_proven|the device says"
)
BEYOND_CDDL_OF_OBJECTS = re.compile(
    r"shortest|indefinite|iss too many|signature of zeros|stranger|kid nobody|another vehicle|by the issuer"
    r"|keys not in order|exp before nbf|off the curve|without parent|ascending|revoked and suspended|\[3, 3\]|1025"
    r"|next_update is issued_at|in another order|r is the order|parent is nil"
    r"|by the key that it brings|of another issuer|is before|not compressed"
)


def rules() -> str:
    """All CDDL of the pages, each rule once."""
    found: dict[str, str] = {}
    for page in PAGES:
        text = (PROTOCOLS / page / "README.md").read_text(encoding="utf-8")
        for block in re.findall(r"```cddl\n(.*?)```", text, re.S):
            for rule in re.split(r"\n(?=[A-Za-z_][\w<>, ]* *= )", "\n" + block):
                name = rule.partition("=")[0].strip()
                if re.fullmatch(r"[A-Za-z_]\w*(<[\w, ]+>)?", name):
                    plain = re.sub(r" *;.*", "", rule).strip()
                    assert found.setdefault(name, plain) == plain, f"{name} has two meanings"
    wrapped = (f"sequence_of_{name} = [ {name} ]" for name in SEQUENCES)
    return "\n".join((*found.values(), *wrapped)) + "\n"


@cache
def validator() -> Validator:
    return Validator(rules())


def fits(rule: str, data: bytes) -> bool:
    try:
        return bool(validator().validate(data, rule).valid)
    except CBORDecodeError:
        return False


def load(page: str, name: str) -> Any:
    return json.loads((PROTOCOLS / page / "vectors" / name).read_text(encoding="utf-8"))


def as_array(sequence: bytes, count: int) -> bytes:
    """A CBOR sequence as the array that the wrapped rule describes."""
    return bytes((0x80 + count,)) + sequence


def _attestations() -> list[tuple[str, str, bytes]]:
    cases = []
    for row in load("attestation", "packed.json")["valid"]:
        evidence = bytes.fromhex(row["evidence"])
        whole = cbor2.loads(evidence)[0]
        data = cbor2.loads(whole)["authData"]
        key = data[55 + int.from_bytes(data[53:55], "big") :][:77]
        cases += [
            (row["name"], "attested", cbor2.dumps(["packed", evidence])),
            (row["name"], "packed_evidence", evidence),
            (row["name"], "attestation_object", whole),
            (row["name"], "credential_key", key),
        ]
    for row in load("attestation", "registration.json")["valid"]:
        cases.append((row["name"], "device_proof", cbor2.loads(bytes.fromhex(row["proof"]))[2]))
    return cases


def good() -> list[tuple[str, str, bytes]]:
    """A name for the eye, the rule, the item."""
    cases = []
    for name in ("conversation.json", "kept.json", "chain.json", "rotation.json", "ranging.json", "fast.json"):
        told = load("key_session", name)
        cases.append((name, "info", bytes.fromhex(told["inputs"]["info"])))
        for row in told["messages"]:
            kind, raw = row["name"], bytes.fromhex(row["message"])[1:]
            if row.get("plaintext") == "":
                continue
            if kind in SEALED:
                cases.append((name, SEALED[kind], bytes.fromhex(row["plaintext"])))
            elif kind.startswith("MESSAGE_"):
                cases.append((name, f"sequence_of_{kind.lower()}", as_array(raw, 4 if kind == "MESSAGE_1" else 1)))
            elif kind == "FAST_RESULT":
                cases.append((name, "fast_result", cbor2.dumps(bytes.fromhex(row["plaintext"]))))
            else:
                cases.append((name, kind.lower(), cbor2.dumps(raw)))
            if kind == "FAST":
                cases.append((name, "fast_command", cbor2.dumps(bytes.fromhex(row["plaintext"]))))
        if "plaintext_3" in told["derived"]:
            derived = {key: bytes.fromhex(value) for key, value in told["derived"].items()}
            cases += [
                (name, "intent", derived["EAD_3 value"]),
                (name, "sequence_of_plaintext_2", as_array(derived["plaintext_2"], 3)),
                (name, "sequence_of_plaintext_3", as_array(derived["plaintext_3"], 4)),
            ]
    pairing = load("owner_pairing", "pairing.json")["pairing"]
    for kind in ("ask", "offer", "share", "proof"):
        cases.append(("pairing", f"pair_{kind}", cbor2.dumps(bytes.fromhex(pairing["messages"][kind])[1:])))
    fields = {
        "enrol_plaintext": "enrol", "ticket_plaintext": "credential", "answer_plaintext": "outcome",
        "owner_token": "Key_Token", "ticket": "ticket", "device_signs": "enrol_signed",
    }  # fmt: skip
    cases += [("pairing", rule, bytes.fromhex(pairing[field])) for field, rule in fields.items()]
    cases += _attestations()
    attested = pairing["attested"]
    cases.append(("attested", "enrol", bytes.fromhex(attested["enrol_plaintext"])))
    cases.append(("attested", "enrol_signed", bytes.fromhex(attested["device_signs"])))
    for row in load("key_token", "tokens.json")["tokens"]:
        protected, _, payload, _ = cbor2.loads(bytes.fromhex(row["cwt"]))
        cases.append((row["name"], "Key_Token", bytes.fromhex(row["cwt"])))
        cases.append((row["name"], "Sig_structure", cbor2.dumps(["Signature1", protected, b"", payload])))
        head, claims = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in row["jwt"].split(".")[:2])
        cases += [(row["name"], "JWT_Header", cbor2.dumps(head)), (row["name"], "JWT_Claims", cbor2.dumps(claims))]
    for row in load("key_token", "revocation.json")["lists"]:
        cases.append((row["name"], "Revocation_List", bytes.fromhex(row["signed"])))
        cases.append((row["name"], "List_Ack", bytes.fromhex(row["ack"]["signed"])))
    for row in load("key_token", "grants.json")["grants"]:
        cases.append((row["name"], "Grant", bytes.fromhex(row["signed"])))
    proofs = load("key_token", "possession.json")
    cases += [(act, "Invitation_Proof", bytes.fromhex(proofs[act])) for act in ("claim", "decline")]
    told = load("key_token", "issuer_keys.json")
    cases += [(row["name"], "Issuer_Key", bytes.fromhex(row["signed"])) for row in told["statements"]]
    cases += [(row["name"], "Issuer_Key_Ack", bytes.fromhex(row["signed"])) for row in told["acks"]]
    said = load("key_token", "statements.json")
    cases += [(act, "Device_Statement", bytes.fromhex(said[act])) for act in ("give_back", "found")]
    rows = load("key_token", "time_proofs.json")["time_proofs"]
    cases += [(row["name"], "Time_Proof", bytes.fromhex(row["signed"])) for row in rows]
    for row in load("key_token", "receipts.json")["receipts"]:
        cases.append(("receipt", "Receipt", bytes.fromhex(row["signed"])))
    return cases + statuses() + audited()


def statuses() -> list[tuple[str, str, bytes]]:
    """The same of status lists, and of key tokens that name one."""
    cases = []
    for row in load("status_list", "lists.json")["tokens"]:
        claims = json.loads(base64.urlsafe_b64decode(row["jwt"].split(".")[1] + "=="))
        cases.append((row["name"], "JWT_Claims", cbor2.dumps(claims)))
    for row in load("status_list", "lists.json")["lists"]:
        head, claims = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in row["signed"].split(".")[:2])
        cases.append((row["name"], "Status_List_Header", cbor2.dumps(head)))
        cases.append((row["name"], "Status_List_Claims", cbor2.dumps(claims)))
    return cases


def audited() -> list[tuple[str, str, bytes]]:
    """The same of the audit trail."""
    trail = load("audit_trail", "trail.json")
    cases = [("audit entry", "Audit_Entry", bytes.fromhex(row["entry"])) for row in trail["entries"]]
    return [*cases, ("audit checkpoint", "Audit_Checkpoint", bytes.fromhex(trail["checkpoint"]))]


def bad() -> list[tuple[str, str, bytes]]:
    cases = [
        (case["name"], SEALED[case["instead_of"]], bytes.fromhex(case["plaintext"]))
        for case in load("key_session", "invalid.json")["breaches"]
        if case["instead_of"] in SEALED and "plaintext" in case
    ]
    cases += [
        (case["name"], "info", bytes.fromhex(case["info"]))
        for case in load("key_session", "invalid.json")["infos"]
        if case["name"] != "version 2 alone"
    ]
    return cases + [
        (case["name"], PAIRING[case["instead_of"]], bytes.fromhex(case["plaintext"]))
        for case in load("owner_pairing", "invalid.json")["cases"]
        if "plaintext" in case
    ]


def test_every_rule_stands_for_something_shown() -> None:
    """A typing error in a name would leave a rule that nothing uses; a rule without a vector would go unread."""
    heads = (rule.partition("=")[0] for rule in rules().splitlines() if re.match(r"\w.*=", rule))
    named = {head.strip().partition("<")[0] for head in heads}
    shown = {rule for _, rule, _ in good()}
    inside = {name for name in named if len(re.findall(rf"(?<![\w]){name}(?!\w| *:)", rules())) > 1}
    assert named - shown - inside == set()
    assert shown <= named


@pytest.mark.parametrize(("name", "rule", "data"), good(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_vector_fits_its_rule(name: str, rule: str, data: bytes) -> None:
    result = validator().validate(data, rule)
    assert result.valid, result.errors


@pytest.mark.parametrize(
    ("why", "rule", "data"),
    [case for case in bad() if not BEYOND_CDDL.search(case[0])],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_invalid_plaintext_does_not_fit(why: str, rule: str, data: bytes) -> None:
    assert not fits(rule, data)


@pytest.mark.parametrize(
    "case",
    [
        case
        for case in load("key_token", "invalid.json")["cases"]
        if case["object"] in OBJECTS and not BEYOND_CDDL_OF_OBJECTS.search(case["name"])
    ],
    ids=lambda case: f"{case['object']}: {case['name']}",
)
def test_an_invalid_object_does_not_fit(case: dict[str, str]) -> None:
    assert not fits(OBJECTS[case["object"]], bytes.fromhex(case["data"]))


@pytest.mark.parametrize(
    "case",
    [
        case
        for case in load("key_token", "issuer_keys.json")["invalid"]
        if not BEYOND_CDDL_OF_OBJECTS.search(case["name"])
    ],
    ids=lambda case: f"{case['object']}: {case['name']}",
)
def test_an_invalid_issuer_key_does_not_fit(case: dict[str, str]) -> None:
    assert not fits(ISSUER_KEYS[case["object"]], bytes.fromhex(case["data"]))
