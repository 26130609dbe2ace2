"""Rules of the fast path."""

from __future__ import annotations

import pytest

from attack_mutants.register import CAR, always, frees
from keygw.session import fast
from keygw_sim.vehicle import keeper
from keygw_sim.vehicle.fast_keys import FastKeyring


@frees("fast-for-ever", CAR)
@frees("fast-after-the-token", CAR)
def fast_keys_live_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(FastKeyring, "alive", lambda self, awake: [entry.key for entry in self._entries])
    patch.setattr(FastKeyring, "drop", always(None))


@frees("fast-drive", "breach")
def the_fast_path_may_everything(patch: pytest.MonkeyPatch) -> None:
    class All:
        def __contains__(self, action: object) -> bool:
            return True

    patch.setattr(keeper, "FAST_ACTIONS", All())


@frees("fast-tracks-phones", "in common")
def the_tag_leaves_g_d_out(patch: pytest.MonkeyPatch) -> None:
    real = fast.FastKey.tag
    patch.setattr(fast.FastKey, "tag", lambda self, greeting, ephemeral: real(self, greeting, b""))
