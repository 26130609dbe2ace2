"""Names of the files in a data directory."""

from __future__ import annotations

ISSUER_KEY = "issuer.pem"
POLICY = "policy.toml"
OPERATOR_TOKEN = "operator.token"  # noqa: S105 - the name of a file
