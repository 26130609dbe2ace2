"""The studio: a simulated world under a developer's hands, for the console's page.

``air`` follows what goes over the air, ``room`` offers everything over HTTP on loopback, ``attach`` puts it beside a
world that runs (``keygw_sim.scenarios.world``), ``attacks`` runs the book of attacks, ``doorway`` asks the gateway.
"""
