"""Words that bodies take from a list. The list is in the document; a word beside it gets a code of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import Field

from keygw.api.fields import Word
from keygw.bridge.roles import OperatorRole
from keygw.bridge.scopes import COMMAND_SCOPES, GRANTABLE
from keygw.model.entitlement import REGISTRY


def _of(names: Iterable[str]) -> Any:
    listed: Any = sorted(names)
    return Annotated[Word, Field(json_schema_extra={"enum": listed})]


ActionName = _of(action.label for action in COMMAND_SCOPES)
EntitlementName = _of(info.name for info in REGISTRY)
RoleName = _of(OperatorRole)
ScopeName = _of(GRANTABLE)
