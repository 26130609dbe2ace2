"""The phone side of the gateway, without HTTP: apps, access, command resources, signals."""
