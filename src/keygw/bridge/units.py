"""Signals in the units that a reader prefers. The catalog's are those of VSS, and stay the default."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from keygw.model.signal import SignalValue


class Units(StrEnum):
    """``vss``: as the catalog has them. ``metric``: kilometres for metres, bar for kilopascal. ``imperial``: miles,
    degrees Fahrenheit, pounds per square inch."""

    VSS = "vss"
    METRIC = "metric"
    IMPERIAL = "imperial"


METRES_PER_MILE = 1609.344
KPA_PER_PSI = 6.894757293168361

_SCALES: Mapping[Units, Mapping[str, tuple[str, float, float]]] = {
    Units.VSS: {},
    Units.METRIC: {"m": ("km", 1 / 1000, 0.0), "kPa": ("bar", 1 / 100, 0.0)},
    Units.IMPERIAL: {
        "m": ("mi", 1 / METRES_PER_MILE, 0.0),
        "km/h": ("mph", 1000 / METRES_PER_MILE, 0.0),
        "kPa": ("psi", 1 / KPA_PER_PSI, 0.0),
        "Celsius": ("Fahrenheit", 9 / 5, 32.0),
    },
}
"""Unit of the catalog -> the preferred one, what a value is multiplied with, and what is added then."""


def preferred(value: SignalValue, unit: str | None, units: Units) -> tuple[SignalValue, str | None]:
    """The value and its unit; unchanged where there is nothing to prefer."""
    scale = None if unit is None else _SCALES[units].get(unit)
    if scale is None or isinstance(value, bool | str):
        return value, unit
    name, factor, offset = scale
    return value * factor + offset, name
