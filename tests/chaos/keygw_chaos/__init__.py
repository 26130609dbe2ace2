"""Faults under load: what the gateway has acknowledged must survive each of them. See ``tests/chaos/chaos.py``."""
