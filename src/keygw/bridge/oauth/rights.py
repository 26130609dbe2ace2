"""What a grant's digital key may do in the car: no more than what its scopes let the app ask for."""

from __future__ import annotations

from collections.abc import Iterable

from keygw.bridge.scopes import COMMAND_SCOPES, Scope
from keygw.model.entitlement import Entitlement

_BY_SCOPE: dict[Scope, Entitlement] = {Scope.KEY_SHARE: Entitlement.KEY_SHARE, Scope.KEY_MANAGE: Entitlement.KEY_MANAGE}
for _action, _scope in COMMAND_SCOPES.items():
    _BY_SCOPE[_scope] = _BY_SCOPE.get(_scope, Entitlement(0)) | (_action.required or Entitlement(0))


def entitlements_of(scopes: Iterable[Scope]) -> Entitlement:
    """Status may always be read with the key; which of it an app is told its scopes say once more."""
    found = Entitlement.STATUS_READ
    for scope in scopes:
        found |= _BY_SCOPE.get(scope, Entitlement(0))
    return found
