"""The virtual radio: Bumble's link layer in a process of its own, each controller offered as HCI over TCP.

Vehicle, gateway and phone attach to it with ``tcp-client:127.0.0.1:PORT``, exactly as they would to a real HCI board,
and run their whole Bluetooth host stacks over it. ``python -m keygw_sim.radio --help`` starts it;
``virtual.VirtualRadio`` is the same thing inside a test.
"""
