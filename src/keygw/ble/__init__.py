"""Bluetooth Low Energy: the only room that knows bleak and bumble.

``air.BleAir`` finds vehicles and opens links, ``link.BleLink`` carries frames, ``scanner`` shares one scan between
many seekers, ``faults`` turns every library's errors into ``LinkError``. ``bumble_host`` and ``bumble_backend`` let
bleak run over an HCI controller that is not the operating system's: the virtual radio, a USB dongle, a dev board.

Nothing here is imported before somebody needs a radio.
"""
