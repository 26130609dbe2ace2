"""The simulated phone: holds a device key and speaks the session over its own BLE link."""
