"""The settings as a table for the reference page, drawn from the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import PydanticUndefined

from keygw.app.load import PREFIX, is_secret, variables
from keygw.app.settings import Settings

_HEAD = "| setting | variable | option | default | meaning |\n| --- | --- | --- | --- | --- |\n"


def table(options: Mapping[str, str]) -> str:
    """Markdown. ``options``: setting -> its option of ``keygw serve``, for those that have one."""
    by_setting: dict[str, list[str]] = {}
    for variable, setting in variables().items():
        by_setting.setdefault(setting, []).append(variable)
    rows = []
    for name, info in Settings.model_fields.items():
        names = f"`{name}_file`" if is_secret(info) else f"`{name}`"
        option = f"`{options[name]}`" if name in options else ""
        meaning = (info.description or "").replace("|", "\\|")
        if is_secret(info):
            meaning += f". A secret: `{PREFIX}{name.upper()}` holds it, `{name}_file` names a file that does"
        told = ", ".join(f"`{variable}`" for variable in by_setting[name])
        rows.append(f"| {names} | {told} | {option} | {_default(info.default)} | {meaning} |\n")
    return _HEAD + "".join(rows)


def _default(value: Any) -> str:
    if value is None or value is PydanticUndefined or value == ():
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
