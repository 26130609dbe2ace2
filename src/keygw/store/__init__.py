"""Durable storage: the only importer of aiosqlite. ``open_store`` gives one object with a part for each port."""

from __future__ import annotations

from keygw.store.store import Store, open_store

__all__ = ["Store", "open_store"]
