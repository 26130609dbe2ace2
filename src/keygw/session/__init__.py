"""The secure session between a device and a vehicle, both roles, sans-IO: bytes and `now` in, bytes and events out."""
