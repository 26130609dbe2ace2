"""Streams over WebSocket: what a conversation says, and how its events leave."""
