"""The screen in the simulated car: pairing codes, questions to whoever sits there, keys, cards of apps.

``HeadUnit`` is state alone: the car tells it what happens, people press, ``picture`` draws it. ``cards`` is the port
for apps: what a card is, and how many there may be. ``projection`` brings the cards that apps have put at the gateway;
somebody may also put one there by hand (``orders``).
"""
