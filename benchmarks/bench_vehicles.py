"""Many simulated cars in one process: how long until all are on the air, and until each has been connected and obeyed.

The gateway's side is one host with as many connection slots as there are cars; bleak and Bumble's host stacks carry
everything over the virtual radio. Every car is commanded, and all stay connected until the last has been.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

from benchmarks.harness import Figure

from keygw.ble.air import BleAir
from keygw.crypto.signer import LocalSigner, thumbprint
from keygw.model.command import Action, Outcome
from keygw.model.vehicle import Vehicle
from keygw.session.device import KeyInHand
from keygw.session.identity import recognises
from keygw.vehicle.conversation import Conversation
from keygw.vehicle.ports import HeldKey
from keygw.wire.messages import Cmd
from keygw_sim.chance import new_signer
from keygw_sim.radio.virtual import VirtualRadio
from keygw_sim.rehearsal import Office
from keygw_sim.vehicle.car import Car
from keygw_sim.vehicle.flash import Flash, Issuer
from keygw_sim.vehicle.runner import new_vehicle
from keygw_sim.vehicle.yard import Yard, make_cars

GROUP = "vehicles"
CARS = 100
PATIENCE = 60.0
