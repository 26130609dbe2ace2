"""The numbers by which the phone page knows what a car tells it, beside the registry."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from keygw.model.signal import PATHS

TELL = """import { PATHS, signalsOf } from '%s';
const heard = Array.from({ length: 256 }, (_, signal) => signalsOf([{ signal, value: true, at: 1 }], 0, false));
console.log(JSON.stringify([PATHS, heard.map(([told]) => told?.path ?? null)]));"""


def test_every_signal_that_is_drawn_has_its_number(require: Callable[[str, bool, str], None], repository: Path) -> None:
    node = shutil.which("node")
    require("node", node is not None, "no Node.js 20 or newer here: apt-get install nodejs")
    assert node is not None
    script = TELL % (repository / "src/keygw/web/phone/model/car.js").as_uri()
    run = [node, "--input-type=module", "--eval", script]
    told = subprocess.run(run, capture_output=True, text=True, timeout=60, check=True).stdout
    drawn, numbered = json.loads(told)
    known = {int(signal): path for signal, path in PATHS.items()}
    assert {number: path for number, path in enumerate(numbered) if path} == {
        number: path for number, path in known.items() if path in drawn
    }
    assert set(drawn) <= set(known.values())
