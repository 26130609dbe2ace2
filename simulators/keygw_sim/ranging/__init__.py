"""Simulated ranging: where everybody stands, what the radios hear, and what the car's anchors make of it.

**What is simulated.** There is no radio here. Places are points on a plane, in metres. A UWB round is its scrambled
timestamp sequence (STS), pulse by pulse: the sender's pulses are made from the session's round key, arrive after the
time of flight, add up with what an attacker sends, and the receiver correlates, finds the leading edge and judges how
many pulses were right. What an attack gains there is computed, not declared. Left out: path loss, noise, bodies,
antennas, clock drift, the preamble (no time is taken from it) and regulation. Channel Sounding is coarser: two figures,
from the round-trip time and from the phase of the tones, which an attacker can change as far as physics lets it.

Two rules hold for everybody, attackers too: nothing arrives before the light does, and nobody knows a round's pulses
without its key before they have been sent.
"""
