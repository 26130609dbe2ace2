"""The page on which a person logs in by a passkey and consents: written here, without any script of its own in it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from html import escape
from importlib.resources import files
from string import Template
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from keygw.bridge.scopes import Scope

SCOPES: Mapping[Scope, tuple[str, str]] = MappingProxyType(
    {
        Scope.VEHICLE_READ: ("see which cars you have", "查看您有哪些车辆"),
        Scope.STATUS_SECURITY_READ: ("see whether doors, locks and windows are open", "查看车门、车锁和车窗的状态"),
        Scope.STATUS_ENERGY_READ: ("see charge, fuel and range", "查看电量、油量和续航里程"),
        Scope.STATUS_LOCATION_READ: ("see where the car is", "查看车辆位置"),
        Scope.COMMAND_LOCK: ("lock the car", "锁车"),
        Scope.COMMAND_UNLOCK: ("unlock the car", "解锁车辆"),
        Scope.COMMAND_TRUNK: ("open the trunk", "打开后备箱"),
        Scope.COMMAND_LIGHTS: ("flash the lights", "闪灯"),
        Scope.COMMAND_START: ("start the engine", "启动发动机"),
        Scope.KEY_READ: ("see your digital keys", "查看您的数字钥匙"),
        Scope.KEY_SHARE: ("share digital keys with others", "与他人分享数字钥匙"),
        Scope.KEY_MANAGE: (
            "manage your digital keys, let other apps in and put them out",
            "管理您的数字钥匙，允许或移除其他应用",
        ),
        Scope.SESSION_CONNECT: ("be shown as an app in the car", "作为应用显示在车内"),
        Scope.CARDS_WRITE: ("show cards on the car's screen", "在车机屏幕上显示卡片"),
    }
)
"""What each scope means to a person: in English, in Chinese. One that is not here is shown by its name."""

_WORDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "title": ("Let an app in", "允许应用接入"),
        "asks": ("calls itself this, and asks to:", "（应用自报的名称）请求："),
        "back": ("Afterwards you are sent to", "之后您将返回到"),
        "warn": (
            "Anybody can choose a name. Say yes only if you have just begun this yourself, in that app.",
            "任何人都可以取这个名称。仅当您刚刚在该应用中亲自发起此操作时才同意。",
        ),
        "allow": ("Log in with a passkey and allow", "使用通行密钥登录并允许"),
        "deny": ("Do not allow", "不允许"),
        "failed": ("That did not work; nothing was allowed.", "操作未成功，未授予任何权限。"),
        "script": ("This page needs JavaScript to ask for your passkey.", "此页面需要 JavaScript 才能使用通行密钥。"),
        "wrong": ("This link does not work", "此链接无效"),
        "nothing": ("Nothing was allowed. Go back to the app and begin anew.", "未授予任何权限。请返回应用重新开始。"),
    }
)


def language(accepted: str) -> int:
    """0: English; 1: Chinese, if the browser names it before English (RFC 9110 12.5.4, by order)."""
    for part in accepted.lower().split(","):
        name = part.partition(";")[0].strip().partition("-")[0]
        if name in ("en", "zh"):
            return int(name == "zh")
    return 0


def consent(lang: int, name: str, redirect_uri: str, scopes: Iterable[Scope], options: Mapping[str, Any]) -> bytes:
    """The page that asks. Whatever a client has chosen is shown as text and nothing else."""
    say = {key: escape(words[lang]) for key, words in _WORDS.items()}
    listed = "".join(
        f"<li>{escape(SCOPES[scope][lang] if scope in SCOPES else scope.value)}</li>" for scope in sorted(scopes)
    )
    parts = urlsplit(redirect_uri)
    body = (
        f"<p><strong>{escape(name)}</strong> {say['asks']}</p><ul>{listed}</ul>"
        f'<p>{say["back"]} <span class="site">{escape(f"{parts.scheme}://{parts.netloc}")}</span></p>'
        f"<p>{say['warn']}</p><noscript><p>{say['script']}</p></noscript>"
        f'<div class="answer" data-options="{escape(json.dumps(options))}" data-failed="{say["failed"]}">'
        f'<button type="button" value="allow" class="primary">{say["allow"]}</button>'
        f'<button type="button" value="deny">{say["deny"]}</button></div><p role="status"></p>'
    )
    return _page(lang, say["title"], body)


def dead_end(lang: int, why: str) -> bytes:
    """The page of a request after which nobody may be sent anywhere."""
    return _page(lang, escape(_WORDS["wrong"][lang]), f"<p>{escape(_WORDS['nothing'][lang])}</p><p>{escape(why)}</p>")


def _page(lang: int, title: str, body: str) -> bytes:
    return _template().substitute(lang=("en", "zh-CN")[lang], title=title, body=body).encode()


@cache
def _template() -> Template:
    return Template(files("keygw.web").joinpath("authorize", "page.template").read_text("utf-8"))
