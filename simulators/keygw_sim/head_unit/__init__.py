"""The screen in the simulated car: pairing codes, questions to whoever sits there, keys, cards of apps.

``HeadUnit`` is state alone: the car tells it what happens, people press, ``picture`` draws it. ``cards`` is the port
for apps: what a card is, and how many there may be. Whoever speaks for the apps calls it; in this repository nobody
does so far, so the only cards are those that somebody puts there by hand.
"""
