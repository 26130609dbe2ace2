"""A token that is shown once: how long it shall live, where it is kept, and what is said of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keygw.cli import files, output, spans


def wish(lasting: str | None, save: Path | None) -> dict[str, Any]:
    """What to ask the gateway for. ``Failure`` if the file where it shall be kept cannot be made."""
    if save is not None:
        files.must_be_new(save)
    return {} if lasting is None else {"lifetime_seconds": spans.seconds(lasting)}


def tell(answer: dict[str, Any], facts: Sequence[tuple[str, object]], save: Path | None, *, as_json: bool) -> None:
    """``facts``: of whose it is. The token is in ``answer``, and stays there only where it is not kept."""
    if save is not None:
        files.write_text(save, answer.pop("token") + "\n")
        answer["token_file"] = str(save)
    if as_json:
        output.document(answer)
        return
    output.facts((*facts, ("token", answer["token"]) if save is None else ("token file", save)))
    if save is None:
        output.remark("Keep the token now; it cannot be shown again.")
