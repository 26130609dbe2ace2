"""Named stories that the simulators play."""
