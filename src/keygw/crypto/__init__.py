"""Signatures, agreement, AEAD, key derivation and COSE_Sign1. The only importer of `cryptography` and of `cbor2`."""
