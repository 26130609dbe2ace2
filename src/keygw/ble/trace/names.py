"""ATT opcodes and errors by name (Core 5.4, Vol 3, Part F, sections 3.4 and 3.4.1.1)."""

from __future__ import annotations

ERROR_RESPONSE = 0x01
MTU_REQUEST, MTU_RESPONSE = 0x02, 0x03
FIND_INFORMATION_REQUEST, FIND_INFORMATION_RESPONSE = 0x04, 0x05
READ_BY_TYPE_REQUEST, READ_BY_TYPE_RESPONSE = 0x08, 0x09
READ_REQUEST, READ_RESPONSE = 0x0A, 0x0B
WRITE_REQUEST, WRITE_RESPONSE = 0x12, 0x13
PREPARE_WRITE_REQUEST, EXECUTE_WRITE_REQUEST = 0x16, 0x18
NOTIFICATION, INDICATION = 0x1B, 0x1D
WRITE_COMMAND = 0x52

_OPERATIONS = {
    ERROR_RESPONSE: "error_response",
    MTU_REQUEST: "mtu_request",
    MTU_RESPONSE: "mtu_response",
    FIND_INFORMATION_REQUEST: "find_information_request",
    FIND_INFORMATION_RESPONSE: "find_information_response",
    0x06: "find_by_type_request",
    READ_BY_TYPE_REQUEST: "read_by_type_request",
    READ_BY_TYPE_RESPONSE: "read_by_type_response",
    READ_REQUEST: "read_request",
    READ_RESPONSE: "read_response",
    0x0C: "read_blob_request",
    0x10: "read_by_group_request",
    WRITE_REQUEST: "write_request",
    WRITE_RESPONSE: "write_response",
    PREPARE_WRITE_REQUEST: "prepare_write_request",
    EXECUTE_WRITE_REQUEST: "execute_write_request",
    NOTIFICATION: "notification",
    INDICATION: "indication",
    WRITE_COMMAND: "write_command",
}
BY_CLIENT = frozenset({0x02, 0x04, 0x06, 0x08, 0x0A, 0x0C, 0x0E, 0x10, 0x12, 0x16, 0x18, 0x1E, 0x20, 0x52, 0xD2})
SEARCHES = frozenset({0x04, 0x06, 0x08, 0x10})
_ERRORS = {
    0x01: "invalid handle",
    0x02: "read not permitted",
    0x03: "write not permitted",
    0x04: "invalid PDU",
    0x05: "insufficient authentication",
    0x06: "request not supported",
    0x07: "invalid offset",
    0x09: "prepare queue full",
    0x0A: "attribute not found",
    0x0D: "invalid attribute value length",
    0x0E: "unlikely error",
    0x11: "insufficient resources",
}


def operation(code: int) -> str:
    return _OPERATIONS.get(code, f"opcode_{code:02x}")


def error(code: int) -> str:
    return _ERRORS.get(code, f"error {code:02x}")
