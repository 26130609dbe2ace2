"""Attacks on cars, keys and those who carry them: a story book that runs.

Each attack is a small function over the real parts: a car's ``Brain`` with its flash on disk, real sessions, the real
credential service, and for those on the air bleak over Bumble's virtual radio. The attacker has tools (``tools``) and
no private key that is not its own. What must come of each attack, and what is recorded of it, stands beside it; ``keygw
sim attack`` runs them, and ``docs/explanation/attacks.md`` is the table of them.
"""
