"""keygw: the open digital-key and phone-ecosystem gateway."""

__version__ = "0.1.0"
