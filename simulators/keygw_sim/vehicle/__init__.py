"""The simulated vehicle."""
