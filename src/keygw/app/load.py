"""Where settings come from: command line, else environment, else file, else default; and which of them it was."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo

from keygw.app.settings import Settings
from keygw.model.errors import KeygwError

PREFIX = "KEYGW_"
FILE_VARIABLE = "KEYGW_CONFIG"
SYSTEM_FILE = Path("/etc/keygw/keygw.toml")
FILE_NAME = "keygw.toml"
OTHERS = frozenset(
    {FILE_VARIABLE, "KEYGW_URL", "KEYGW_TOKEN", "KEYGW_NEW_ISSUER_PASSPHRASE", "KEYGW_SEED", "KEYGW_REQUIRE"}
)
"""Variables of ours that are no settings."""
COMMAND_LINE, DEFAULT = "command line", "default"
_MOST_BYTES = 64 * 1024


class BadSetting(KeygwError):
    """A setting cannot be used. The text says which one, and where it was said."""

    code = "bad_setting"


@dataclass(frozen=True, slots=True)
class Loaded:
    """``sources``: for each setting where it came from. ``doubts``: what may be a mistake and stops nothing."""

    settings: Settings
    sources: Mapping[str, str]
    file: Path | None
    doubts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sources:
    """``given``: from the command line, ``None`` for what was not said there. ``default_data``: for ``data``.

    ``config``: the file that the command line names. ``system``: the file of the whole machine.
    """

    given: Mapping[str, object]
    environment: Mapping[str, str]
    default_data: Path
    config: Path | None = None
    system: Path = SYSTEM_FILE


def load(sources: Sources) -> Loaded:
    """``BadSetting``: bad_setting, unknown_setting, secret_in_file, config_unreadable, secret_unreadable, bad_url,
    bad_radio, clear_text."""
    values: dict[str, Any] = {"data": sources.default_data}
    origin = dict.fromkeys(Settings.model_fields, DEFAULT)
    given = {name: value for name, value in sources.given.items() if value is not None}
    said = dict(_said(sources.environment))
    file, content = _file(sources, Path(str(given.get("data") or said.get("data", ("", sources.default_data))[1])))
    for name, value in content.items():
        values[name], origin[name] = value, str(file)
    for name, (variable, value) in said.items():
        values[name], origin[name] = value, variable
    for name, value in given.items():
        values[name], origin[name] = value, COMMAND_LINE
    values["data"] = Path(values["data"]).expanduser()
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise _told(error, origin) from None
    return Loaded(settings, origin, file, tuple(_doubts(sources.environment)))


def variables() -> dict[str, str]:
    """Each variable that holds a setting, or names the file of a secret -> the setting."""
    found = {}
    for name, info in Settings.model_fields.items():
        found[f"{PREFIX}{name.upper()}"] = name
        if is_secret(info):
            found[f"{PREFIX}{name.upper()}_FILE"] = name
        if isinstance(info.json_schema_extra, dict) and "also" in info.json_schema_extra:
            found[str(info.json_schema_extra["also"])] = name
    return found


def is_secret(info: FieldInfo) -> bool:
    return _kind(info) is SecretStr


def _said(environment: Mapping[str, str]) -> Iterator[tuple[str, tuple[str, object]]]:
    """From the environment: setting -> (variable, value). An empty variable says nothing."""
    seen: dict[str, str] = {}
    for variable, name in variables().items():
        text = environment.get(variable, "")
        if not text or (name in seen and not variable.startswith(PREFIX)):
            continue
        if name in seen:
            raise BadSetting(f"{seen[name]} and {variable} both say it: keep one")
        seen[name] = variable
        info = Settings.model_fields[name]
        if variable.endswith("_FILE") and is_secret(info):
            yield name, (variable, _secret(Path(text)))
        elif _kind(info) is tuple:
            yield name, (variable, tuple(part.strip() for part in text.split(",") if part.strip()))
        else:
            yield name, (variable, text)


def _file(sources: Sources, data: Path) -> tuple[Path | None, dict[str, object]]:
    """The one file that counts, and what it says. Named: it must be there. Else the first that exists."""
    named = sources.config or (Path(text) if (text := sources.environment.get(FILE_VARIABLE)) else None)
    beside = data.expanduser() / FILE_NAME
    for path in (named,) if named is not None else (beside, sources.system):
        try:
            with path.open("rb") as opened:
                raw = opened.read(_MOST_BYTES + 1)
        except (FileNotFoundError, NotADirectoryError) as error:
            if path is named:
                raise _unreadable(path, error.strerror) from error
            continue
        except OSError as error:
            raise _unreadable(path, error.strerror) from error
        if len(raw) > _MOST_BYTES:
            raise _unreadable(path, f"more than {_MOST_BYTES} bytes")
        try:
            table = tomllib.loads(raw.decode("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
            # The parser's words hold no values, only places.
            raise _unreadable(path, f"not TOML: {error}") from None
        content = dict(_from_table(path, table))
        if path == beside and "data" in content and path != named:
            raise BadSetting(f"{path}: data cannot be set in a file that lies in it; use --data or KEYGW_DATA")
        return path, content
    return None, {}


def _from_table(path: Path, table: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    fields = Settings.model_fields
    secrets = {f"{name}_file": name for name, info in fields.items() if is_secret(info)}
    for key, value in table.items():
        if key in secrets:
            if not isinstance(value, str):
                raise BadSetting(f"{path}: {key} must be the name of a file, in quotes")
            yield secrets[key], _secret(path.parent / value)
        elif key not in fields:
            near = difflib.get_close_matches(key, [*fields, *secrets], 1)
            hint = f"; is it {near[0]}?" if near else "; keygw config show lists what there is"
            raise BadSetting(f"{path}: there is no setting {key[:60]!r}{hint}", code="unknown_setting")
        elif is_secret(fields[key]):
            raise BadSetting(
                f"{path}: {key} is a secret, and does not belong into a file that is copied and shown: put it into one "
                f"of its own and name that with {key}_file, or set {PREFIX}{key.upper()}",
                code="secret_in_file",
            )
        else:
            yield key, _typed(path, key, value)


def _typed(path: Path, key: str, value: object) -> object:
    """A TOML value of the very type; a path in it is meant from the file's place."""
    kind = _kind(Settings.model_fields[key])
    if kind is tuple:
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise BadSetting(f'{path}: {key} must be a list, such as ["..."]')
        return tuple(value)
    if kind is Path and isinstance(value, str):
        return path.parent / Path(value).expanduser()
    if kind is not Path and type(value) is kind:
        return value
    said = {bool: "true or false", int: "a whole number"}.get(kind, "text in quotes")
    raise BadSetting(f"{path}: {key} must be {said}")


def _kind(info: FieldInfo) -> type:
    """``str``, ``int``, ``bool``, ``tuple``, ``Path`` or ``SecretStr``: what the setting is when it is set."""
    annotation: Any = info.annotation
    if get_origin(annotation) is UnionType or type(annotation) is UnionType:
        annotation = next(each for each in get_args(annotation) if each is not type(None))
    if get_origin(annotation) is Literal:
        return str
    found: type = get_origin(annotation) or annotation
    return found


def _secret(path: Path) -> str:
    """The one line of a file that only its owner (or his group) may read."""
    try:
        with path.expanduser().open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            raw = opened.read(4097)
    except OSError as error:
        raise BadSetting(f"{path} cannot be read: {error.strerror}", code="secret_unreadable") from error
    if os.name == "posix" and mode & 0o007:
        raise BadSetting(f"others on this machine can read {path}: chmod 600 {path}", code="secret_unreadable")
    text = raw.decode("utf-8", "replace").removesuffix("\n").removesuffix("\r")
    if not text or len(raw) > 4096 or any(letter < " " for letter in text) or "\N{REPLACEMENT CHARACTER}" in text:
        raise BadSetting(f"{path} does not hold one line of text", code="secret_unreadable")
    return text


def _doubts(environment: Mapping[str, str]) -> Iterator[str]:
    """Variables that look like ours. No more than doubts: a container host makes such names by itself."""
    known = [*variables(), *OTHERS]
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in known:
            near = difflib.get_close_matches(name, known, 1)
            yield f"{name} is no variable of keygw" + (f"; is it {near[0]}?" if near else "")


def _told(error: ValidationError, origin: Mapping[str, str]) -> BadSetting:
    """The first thing that is wrong, and never what a secret was."""
    found = error.errors(include_url=False)[0]
    code = found["type"] if found["type"] in ("bad_radio", "bad_url", "clear_text") else "bad_setting"
    name = str(found["loc"][0]) if found["loc"] else ""
    where = f"{name} ({origin[name]}): " if name else ""
    return BadSetting(f"{where}{found['msg']}", code=code)


def _unreadable(path: Path, why: str | None) -> BadSetting:
    return BadSetting(f"the configuration {path} cannot be read: {why}", code="config_unreadable")
