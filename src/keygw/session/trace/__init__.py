"""What goes over a link, read by somebody who only watches: frames, messages, fields and a verdict on each. Sans-IO.

``LinkTrace`` takes the frames of one link in both directions and gives one ``Record`` for each: plain values, ready for
JSON. It never raises for what it reads; what is broken is told in the record. What is sealed stays sealed, unless a
``KeyLog`` of a test rig has the session's keys.
"""

from keygw.session.trace.decoder import LinkTrace
from keygw.session.trace.keylog import KeyLog, MalformedKeyLog
from keygw.session.trace.record import Field, Message, Record, Verdict, Word

__all__ = ["Field", "KeyLog", "LinkTrace", "MalformedKeyLog", "Message", "Record", "Verdict", "Word"]
