"""A second reader of the protocol, written from protocols/*/README.md alone; it shares no code with keygw."""
