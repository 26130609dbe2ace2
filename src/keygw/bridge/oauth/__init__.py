"""The authorization server: clients register themselves, people let them in, and every token is bound to a key."""
