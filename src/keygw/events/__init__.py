"""In-process events: bounded, coalescing fan-out."""
