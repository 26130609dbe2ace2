"""``org.bluez`` on a bus of its own: what BlueZ shows to programs, without BlueZ, a kernel's Bluetooth or an adapter.

A private ``dbus-daemon`` and on it one service, a translation from BlueZ's D-Bus API to a Bumble host on any HCI
transport: the virtual radio, or a board. A program that is told of the bus by ``DBUS_SYSTEM_BUS_ADDRESS`` sees an
adapter and uses its own, unmodified way to BlueZ: bleak's backend, Chromium's Web Bluetooth.

Behind it is the vehicle's real GATT server over ATT, L2CAP and HCI, not a brain that is handed frames: Bumble is a
central already (``keygw.ble.bumble_backend``), so D-Bus is all that there is to add, and MTU, CCCD, ATT errors and lost
links come from where they come from in life. It is our model of BlueZ all the same, written from BlueZ's documentation
(``doc/org.bluez.*.rst``) and its observed behaviour; ``make test-bluez`` runs the same tests on the real one.
"""
