"""Captures of Bluetooth traffic, read and written, and what of it is ours.

``capture`` opens a file (btsnoop, pcapng), ``btsnoop`` writes one, ``watcher`` turns packets into records: HCI or
link-layer packets -> L2CAP -> ATT -> frames, which ``keygw.session.trace`` tells. ``live`` stands between a host and
its controller. Only ``live`` and ``tap`` need Bumble.
"""
