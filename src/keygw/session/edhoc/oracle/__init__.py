"""FOR COMPARISON ONLY: the rest of EDHOC that RFC 9529's traces and independent peers use. No session reaches it.

Suites 0, 2 and 3 (``suites``), method 3 with static Diffie-Hellman keys (``static``), negotiation and error messages
(``negotiation``), message_4 and key update (``after``). A test holds that nothing in ``keygw`` imports this package.
"""
