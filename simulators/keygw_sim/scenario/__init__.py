"""Scenario files: cars, phones, steps and what is expected, played with real parts over the virtual radio."""
