"""A whole deployment in one event loop with a clock of its own: what happens in it follows from its seed alone.

Real: bridge, credential service, fleet, courier, store (on ``keygw.store.inline``), cars' brains, phones. Simulated:
time, chance, power, and every link, which an adversary owns. ``scenarios.world`` is another one: of processes, over a
radio.
"""
