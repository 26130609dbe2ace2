"""The latest signals of each vehicle, and how far each may be trusted.

Absent, unsupported and forbidden are three different answers: an app must never take "I may not know" for "unlocked".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from keygw.bridge.access import View
from keygw.bridge.ports import Clock
from keygw.bridge.present import signal_json
from keygw.bridge.scopes import LOCATION_SIGNALS, SIGNAL_SCOPES
from keygw.bridge.units import Units, preferred
from keygw.model.signal import PATHS, Quality, Signal, SignalId, SignalValue
from keygw.model.times import rfc3339

MAX_AGE = 300.0
LOCATION_KEPT = 900.0
"""Seconds."""
_SLEWED = 60.0
"""Seconds that a clock may be set back before what came in "later" is taken for old."""
SIGNAL_IDS: dict[str, SignalId] = {path: signal for signal, path in PATHS.items()}


class SignalCache:
    """A value is ``live`` while the link it came over is still up and it is less than ``max_age`` seconds old.

    Else it is ``stale``: a new link makes nothing live that was heard over the one before.

    Where a vehicle is may be known for ``location_kept`` seconds after it was heard, and is dropped then: whoever asks
    hears when. 0: it is never taken in.
    """

    def __init__(self, clock: Clock, max_age: float = MAX_AGE, location_kept: float = LOCATION_KEPT) -> None:
        self._clock = clock
        self.max_age = max_age
        self._location_kept = location_kept
        self._dropped: dict[str, dict[SignalId, float]] = {}
        self._latest: dict[str, dict[SignalId, Signal]] = {}
        self._heard: dict[str, set[SignalId]] = {}  # linked vehicles, and what came over the present link

    def update(self, vehicle_id: str, signals: Iterable[Signal]) -> list[Signal]:
        """Take in what a vehicle reported; returns what is news: another value, or one that was not live before.

        A report measured earlier than the one we have (links may overtake each other) changes nothing.
        """
        known = self._latest.setdefault(vehicle_id, {})
        news: list[Signal] = []
        for signal in signals:
            if self._is_over(signal):  # also what another gateway tells late
                continue
            before = self._known(vehicle_id, signal.id)
            live = before is not None and self.quality(vehicle_id, before) is Quality.LIVE
            if before is not None and live and signal.at < before.at:
                continue
            known[signal.id] = signal
            self._dropped.get(vehicle_id, {}).pop(signal.id, None)
            if vehicle_id in self._heard:
                self._heard[vehicle_id].add(signal.id)
            if before is None or not live or before.value != signal.value:
                news.append(signal)
        return news

    def set_link(self, vehicle_id: str, up: bool) -> bool:
        """Note whether the vehicle can be heard; returns whether that changed."""
        changed = up != (vehicle_id in self._heard)
        if up:
            self._heard.setdefault(vehicle_id, set())
        else:
            self._heard.pop(vehicle_id, None)
        return changed

    def linked(self, vehicle_id: str) -> bool:
        """Whether the vehicle can be heard."""
        return vehicle_id in self._heard

    def mirror(self, vehicle_id: str, up: bool, signals: Sequence[Signal]) -> tuple[bool, list[Signal]]:
        """The live signals of a vehicle that another gateway hears, and no others; whether the link's state changed,
        and what is news."""
        changed = self.set_link(vehicle_id, up)
        news = self.update(vehicle_id, signals)
        if up:
            self._heard[vehicle_id] = {signal.id for signal in signals}
        return changed, news

    def drop_old(self) -> list[tuple[str, SignalId, float]]:
        """Forget each place that was kept for long enough; which, and when its time was over (Unix seconds)."""
        over = [
            (vehicle_id, each)
            for vehicle_id, known in self._latest.items()
            for each in known.values()
            if self._is_over(each)
        ]
        told = []
        for vehicle_id, signal in over:
            at = min(self._clock(), signal.received_at + self._location_kept)
            del self._latest[vehicle_id][signal.id]
            self._dropped.setdefault(vehicle_id, {})[signal.id] = at
            told.append((vehicle_id, signal.id, at))
        return told

    def _is_over(self, signal: Signal) -> bool:
        if signal.id not in LOCATION_SIGNALS:
            return False
        return not -min(_SLEWED, self._location_kept) < self._clock() - signal.received_at < self._location_kept

    def _known(self, vehicle_id: str, wanted: SignalId) -> Signal | None:
        """The latest, unless its time is over: also between two rounds of ``drop_old`` nobody is told of it."""
        found = self._latest.get(vehicle_id, {}).get(wanted)
        return None if found is None or self._is_over(found) else found

    def _gone(self, vehicle_id: str, wanted: SignalId) -> float | None:
        """When its time was over."""
        found = self._latest.get(vehicle_id, {}).get(wanted)
        if found is not None:
            return min(self._clock(), found.received_at + self._location_kept)
        return self._dropped.get(vehicle_id, {}).get(wanted)

    def heard(self, vehicle_id: str) -> list[Signal]:
        """All that is live."""
        known = self._latest.get(vehicle_id, {}).values()
        return [each for each in known if self.quality(vehicle_id, each) is Quality.LIVE]

    def quality(self, vehicle_id: str, signal: Signal | None) -> Quality:
        if signal is None:
            return Quality.UNKNOWN
        age = self._clock() - signal.received_at
        if self._is_over(signal):
            return Quality.UNKNOWN
        # A clock that went backwards makes the age negative: then we do not know, and do not claim.
        present = signal.id in self._heard.get(vehicle_id, ())
        return Quality.LIVE if present and 0 <= age < self.max_age else Quality.STALE

    def live(self, vehicle_id: str) -> dict[SignalId, SignalValue]:
        """The values that may be taken as true right now."""
        known = self._latest.get(vehicle_id, {})
        return {wanted: each.value for wanted, each in known.items() if self.quality(vehicle_id, each) is Quality.LIVE}

    def knows(self, vehicle_id: str, signal: SignalId) -> bool:
        """Whether the vehicle has ever told it."""
        return signal in self._latest.get(vehicle_id, {}) or signal in self._dropped.get(vehicle_id, {})

    def answers(
        self, view: View, paths: Sequence[str] | None, now: float, units: Units = Units.VSS
    ) -> list[dict[str, Any]]:
        """One answer per path, in order; without ``paths`` everything that this app may read."""
        readable = view.readable(now)
        if paths is None:
            paths = [signal.path for signal in SIGNAL_SCOPES if signal in readable]
        return [self._answer(view, path, readable, units) for path in paths]

    def _answer(self, view: View, path: str, readable: frozenset[SignalId], units: Units) -> dict[str, Any]:
        wanted = SIGNAL_IDS.get(path)
        if wanted is None:
            return {"path": path, "error": "unsupported"}
        if wanted not in readable:
            return {"path": path, "error": "forbidden", "required_scope": sorted(SIGNAL_SCOPES[wanted])[-1].value}
        signal = self._known(view.vehicle.id, wanted)
        if signal is None:
            gone = self._gone(view.vehicle.id, wanted)
            more = {} if gone is None else {"dropped_at": rfc3339(gone)}
            return {"path": path, "quality": Quality.UNKNOWN.value, **more}
        told = signal_json(signal, self.quality(view.vehicle.id, signal), self.max_age)
        told["value"], told["unit"] = preferred(signal.value, signal.unit, units)
        return told
