"""Which words of ``--target`` name a simulation, and which an HCI controller of our own."""

import re

HCI = re.compile(r"(usb|serial|tcp-client|tcp-server|udp|hci-socket|vhci|pyusb|ws-client|pty|file|unix):.*")
"""A Bumble transport."""
SIMULATED = ("virtual", "memory")
