"""``kuksa-client`` reads the car by VISS version 2, hears what changes, and cannot open it."""

from __future__ import annotations

import json
import queue
import time
from typing import Any
from urllib.parse import urlsplit

from kuksa_client import KuksaClientThread
from scene import TOKEN, URL, VEHICLE, client, command, held

LOCK = "Vehicle.Private.KeyGW.CentralLock.IsLocked"
HAZARD = "Vehicle.Body.Lights.Hazard.IsSignaling"


def connected(address: str) -> KuksaClientThread:
    """Its port may be any text that ends a URL; so the place of the service stands behind the number."""
    place = urlsplit(URL)
    config = {"ip": place.hostname, "port": f"{place.port}/{address}", "protocol": "ws", "insecure": True}
    kuksa = KuksaClientThread(config)
    kuksa.daemon = True  # what is found wrong ends the program
    kuksa.start()
    until = time.monotonic() + 10
    while not kuksa.checkConnection():
        assert time.monotonic() < until, "it has not connected"
        time.sleep(0.02)
    assert kuksa.backend.subprotocol == "VISSv2"
    return kuksa


def value(told: str) -> str:
    return str(json.loads(told)["data"]["dp"]["value"])


def error(told: str) -> tuple[str, str]:
    found = json.loads(told)["error"]
    return found["number"], found["reason"]


cases = 0
with client() as http:
    command(http, "lock")
    for address in ("viss", f"viss/{VEHICLE}"):
        kuksa = connected(address)
        assert error(kuksa.getValue(LOCK)) == ("401", "token_missing")
        kuksa.authorize(TOKEN)
        assert value(kuksa.getValue(LOCK)) == "true"
        assert value(kuksa.getValue(LOCK.replace(".", "/"))) == "true"
        assert error(kuksa.getValue("Vehicle.Nothing")) == ("404", "invalid_path")
        assert error(kuksa.getMetaData(LOCK)) == ("400", "filter_invalid")
        signals = http.get(f"/v1/vehicles/{VEHICLE}/signals").json()["signals"]
        live = {each["path"]: each for each in signals if each.get("quality") == "live"}
        assert len(live) > 5
        for path, shown in live.items():
            told = json.loads(kuksa.getValue(path))["data"]
            assert told["path"] == path
            now = http.post(f"/v1/vehicles/{VEHICLE}/signals:batchGet", json={"paths": [path]}).json()["signals"][0]
            said = now["value"] if isinstance(now["value"], str) else json.dumps(now["value"])
            assert told["dp"]["value"] == said or shown["ts"] != now["ts"], (told, now)
            cases += 1
        heard: queue.Queue[dict[str, Any]] = queue.Queue()
        made = json.loads(kuksa.subscribe(LOCK, lambda message, heard=heard: heard.put(json.loads(message))))
        for action, expected in (("unlock", "false"), ("lock", "true")):
            command(http, action)
            while (event := heard.get(timeout=10))["data"]["dp"]["value"] != expected:
                pass
            assert (event["action"], event["subscriptionId"]) == ("subscription", made["subscriptionId"])
            assert event["data"]["path"] == LOCK
            cases += 1
        gone = json.loads(kuksa.unsubscribe(made["subscriptionId"]))
        assert "error" not in gone, gone
        for path in (LOCK, "Vehicle.Body.Trunk.Rear.IsOpen", "Vehicle.Powertrain.CombustionEngine.IsRunning"):
            assert error(kuksa.setValue(path, "false", "targetValue"))[0] in ("401", "404"), path
        assert value(kuksa.getValue(LOCK)) == "true", "it is still locked"
        refused = kuksa.setValue(HAZARD, "true", "targetValue", timeout=12)
        assert error(refused) == ("403", "user_forbidden"), refused  # this app has no command.lights
        cases += 11
        kuksa.stop()
held("kuksa-client", cases)
