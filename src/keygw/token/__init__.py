"""Signed objects: key token (JWT and CWT), revocation list, acknowledgement, receipt. The only importer of `jwt`."""
