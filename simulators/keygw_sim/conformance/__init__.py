"""The conformance kit: every rule of ``protocols/`` that shows on the air, tried against a vehicle or a device.

``registry`` has the requirements (data, ``requirements.toml``), ``checks`` what tries them on a vehicle, ``phones``
what tries them on a device, ``kit`` runs and judges, ``reports`` tells. ``grounds`` carry the frames.
"""
