"""The documentation, taken at its word: every command in it is run, every link followed.

What stands in a page decides what happens to it:

* ``sh`` blocks of one page run in order in one bash, in an empty directory with an empty home.
* A ``text`` block right behind an ``sh`` block is what that block prints, stdout and stderr: its lines must appear in
  that order, and ``...`` in a line stands for anything.
* An ``sh`` block behind ``<!-- not run: reason -->`` is skipped with that reason.
* ``make TARGET`` lines are not run (``.ci/run`` runs them), but the target must exist.
* Blocks of the other kinds in ``SHOWN`` are for the eye; JSON must parse. Any other kind fails.

The well-known ports of the pages are replaced by free ones, so that a gateway that runs here is left in peace.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Require

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SHOWN = frozenset({"text", "console", "json", "yaml", "nginx", "ini", "toml", "mermaid"})
PAGE_SECONDS = 90.0
GATEWAY_PORT, FIRST_RADIO_PORT, RADIO_PORTS = 8765, 7461, 4

_NOT_RUN = re.compile(r"<!-- not run: (.+) -->")
_MAKE = re.compile(r"^make ([a-z]+)\b", re.MULTILINE)
_LINK = re.compile(r"(?<!!)\[[^\]\[]*\]\(([^)\s]+)\)")
_FETCHED = re.compile(r"!\[[^\]]*\]\(\s*(?:https?:)?//|<(?:img|script|link|iframe|source)\b[^>]*//|@import|url\(", re.I)
_MARK = "\x1e"


@dataclass(frozen=True)
class Block:
    """A fenced block. ``line``: of its opening fence. ``reason``: why it is not run. ``prints``: what it must print."""

    kind: str
    line: int
    text: str
    reason: str | None = None
    prints: str | None = None


def blocks(text: str) -> list[Block]:
    """Every fenced block of a page; ``ValueError`` for a fence that is indented or never closed."""
    found: list[Block] = []
    lines = text.splitlines()
    number, reason, behind = 0, None, False
    while number < len(lines):
        line = lines[number]
        if line.startswith("```"):
            kind, start = line[3:].strip(), number + 1
            while not lines[number := number + 1].startswith("```"):
                if number + 1 == len(lines):
                    raise ValueError(f"the block of line {start} is never closed")
            body = "\n".join(lines[start:number])
            if kind == "text" and behind:
                found[-1] = Block("sh", found[-1].line, found[-1].text, found[-1].reason, body)
            else:
                found.append(Block(kind, start, body, reason))
            behind, reason = kind == "sh", None
        elif line.strip().startswith("```"):
            raise ValueError(f"the fence of line {number + 1} is indented")
        elif line.strip():
            match = _NOT_RUN.fullmatch(line.strip())
            behind, reason = False, match[1] if match else None
        number += 1
    return found


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def script(page: str, wanted: list[Block]) -> str:
    """One bash script of all blocks; each announces itself, so that output and failure have an address."""
    parts = ["set -eE -o pipefail", "exec 2>&1", """trap 'echo "this failed: $BASH_COMMAND ($KEYGW_DOC)"' ERR"""]
    for block in wanted:
        parts += [f"KEYGW_DOC={page}:{block.line}", f"printf '{_MARK}%d\\n' {block.line}"]
        parts.append(_MAKE.sub(r"true # make \1", block.text))
    return "\n".join(parts) + "\n"


def printed_as_told(told: str, printed: str) -> str | None:
    """The first line of ``told`` that ``printed`` does not have, in order; ``None`` if all are there."""
    rest = printed.splitlines()
    for line in told.splitlines():
        if line.strip() in ("", "..."):
            continue
        pattern = re.compile(".*".join(re.escape(part) for part in line.rstrip().split("...")))
        while rest and not pattern.fullmatch(rest[0].rstrip()):
            rest.pop(0)
        if not rest:
            return line
        rest.pop(0)
    return None


def free_ports() -> dict[str, str]:
    """The ports of the pages, and free ones to use in their place."""
    for first in range(20_000 + os.getpid() % 10_000, 32_000, 7):
        wanted = range(first, first + RADIO_PORTS + 1)
        with ExitStack() as stack, suppress(OSError):
            for port in wanted:
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            told = [GATEWAY_PORT, *range(FIRST_RADIO_PORT, FIRST_RADIO_PORT + RADIO_PORTS)]
            return {str(old): str(new) for old, new in zip(told, wanted, strict=True)}
    raise AssertionError("no free ports here")


def at_other_ports(text: str, ports: dict[str, str]) -> str:
    return re.sub(r"\b\d{4,5}\b", lambda match: ports.get(match[0], match[0]), text)


def run(page: str, wanted: list[Block], folder: Path) -> tuple[int, dict[int, str], str]:
    """Run the page. Returns the exit code, what each block printed (by its line), and everything as it came."""
    ports = free_ports()
    (home := folder / "home").mkdir()
    (work := folder / "work").mkdir()
    (folder / "page.sh").write_text(at_other_ports(script(page, wanted), ports), "utf-8")
    env = {key: value for key, value in os.environ.items() if not key.startswith(("KEYGW_", "XDG_", "PYTEST_"))}
    env |= {"HOME": str(home), "TMPDIR": str(folder), "NO_COLOR": "1", "KEYGW_PORT": ports[str(GATEWAY_PORT)]}
    env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), env["PATH"]])
    bash = shutil.which("bash") or "bash"
    with (folder / "out").open("wb") as out:
        # A session of its own: whatever the page leaves running ends with it.
        process = subprocess.Popen(
            [bash, str(folder / "page.sh")], cwd=work, env=env, stdin=subprocess.DEVNULL, stdout=out,
            start_new_session=True,
        )  # fmt: skip
        try:
            code = process.wait(PAGE_SECONDS)
        except subprocess.TimeoutExpired:
            code = -1
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    said = (folder / "out").read_text("utf-8", "replace")
    said = at_other_ports(said, {new: old for old, new in ports.items()})
    parts = said.split(_MARK)[1:]
    return code, {int(part.partition("\n")[0]): part.partition("\n")[2] for part in parts}, said


SHELL = [(page, block) for page in PAGES for block in blocks(page.read_text("utf-8")) if block.kind == "sh"]
RUN_PAGES = sorted({page for page, block in SHELL if block.reason is None})
NOT_RUN = [f"{name(page)}:{block.line} is not run: {block.reason}" for page, block in SHELL if block.reason]


@pytest.fixture(scope="module")
def tools(require: Require) -> None:
    """What a reader of the pages has at hand."""
    require("bash", os.name == "posix" and shutil.which("bash") is not None, "the pages are written for bash")
    require("curl", shutil.which("curl") is not None, "the pages call the gateway with curl")
    here = shutil.which("keygw", path=str(Path(sys.executable).parent)) is not None
    require("keygw", here, "no keygw command beside this Python; make setup installs it")


@pytest.mark.usefixtures("tools")
@pytest.mark.parametrize("page", RUN_PAGES, ids=name)
def test_every_command_of_the_page_works_as_shown(page: Path, tmp_path: Path) -> None:
    wanted = [block for block in blocks(page.read_text("utf-8")) if block.kind == "sh" and block.reason is None]
    code, printed, everything = run(name(page), wanted, tmp_path)
    assert code == 0, f"exit {code}\n{everything[-4000:]}"
    for block in wanted:
        missing = None if block.prints is None else printed_as_told(block.prints, printed[block.line])
        assert missing is None, f"{name(page)}:{block.line} does not print {missing!r}, but:\n{printed[block.line]}"


@pytest.mark.parametrize("why", NOT_RUN)
def test_what_is_not_run_says_why(why: str) -> None:
    pytest.skip(why)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_block_is_of_a_known_kind(page: Path) -> None:
    found = blocks(page.read_text("utf-8"))
    strange = [f"{name(page)}:{block.line}: {block.kind!r}" for block in found if block.kind not in SHOWN | {"sh"}]
    assert not strange, f"write sh (run), or one of {sorted(SHOWN)}"
    for block in found:
        if block.kind == "json":
            json.loads(block.text)


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    found: set[str] = set()
    for page in PAGES:
        text = page.read_text("utf-8")
        found |= set(re.findall(r"`make ([a-z]+)", text))
        for block in blocks(text):
            found |= set(_MAKE.findall(block.text))
    assert {"demo", "test"} <= found <= targets


def slugs(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    bare = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    heads = re.findall(r"^#{1,6} (.+)$", bare, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"], ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    lost = []
    for link in _LINK.findall(page.read_text("utf-8")):
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        target, _, anchor = link.partition("#")
        there = page if not target else (page.parent / target).resolve()
        inside = there.is_relative_to(ROOT) and there.exists()
        if not inside or (anchor and anchor not in slugs(there.read_text("utf-8"))):
            lost.append(link)
    assert not lost


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_page_fetches_anything(page: Path) -> None:
    """No image, font, style or script from elsewhere: the pages read the same on a plane."""
    assert not _FETCHED.findall(page.read_text("utf-8"))


def test_every_page_can_be_found_from_the_index() -> None:
    reached, todo = set(), [ROOT / "docs" / "README.md"]
    while todo:
        page = todo.pop()
        reached.add(page)
        links = {(page.parent / link.partition("#")[0]).resolve() for link in _LINK.findall(page.read_text("utf-8"))}
        todo += [link for link in links - reached if link.suffix == ".md" and link.is_relative_to(ROOT / "docs")]
    assert set(PAGES[1:]) <= reached


def rooms_told(readme: str) -> set[str]:
    """The rooms of ``src/keygw`` that the README's tree names."""
    tree = readme.split("\nsrc/keygw/\n")[1].partition("\nsimulators/")[0]
    return {
        room for rooms in re.findall(r"^  ((?:[a-z]+/ +)+)", tree, re.MULTILINE) for room in re.findall("[a-z]+", rooms)
    }


def test_the_readme_shows_the_rooms_that_exist() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    there = {path.name for path in (ROOT / "src" / "keygw").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert rooms_told(readme) == there
    for folder in ("protocols", "simulators/keygw_sim", "tests", "benchmarks", "docs"):
        assert f"{folder}/" in readme
        assert (ROOT / folder).is_dir()


# -- the tests above can fail -----------------------------------------------------------------------------------------


def test_a_page_is_taken_apart() -> None:
    page = "a\n```sh\nb\n```\n\n```text\nc ...\n```\n<!-- not run: d -->\n```sh\ne\n```\n```bash\nf\n```\n"
    assert blocks(page) == [Block("sh", 2, "b", None, "c ..."), Block("sh", 10, "e", "d"), Block("bash", 13, "f")]
    with pytest.raises(ValueError, match="never closed"):
        blocks("```sh\na\n")
    with pytest.raises(ValueError, match="indented"):
        blocks("- a\n  ```sh\n")


def test_what_is_not_printed_is_seen() -> None:
    assert printed_as_told("a ... c\nd", "x\na b c\ny\nd\n") is None
    assert printed_as_told("d\na ... c", "a b c\nd\n") == "a ... c"
    assert printed_as_told("a", "ab\n") == "a"


HOLDER = (
    "import fcntl, time; fcntl.flock(f := open('lock', 'w'), fcntl.LOCK_EX); print('held', flush=True); time.sleep(60)"
)


@pytest.mark.usefixtures("tools")
def test_a_command_that_fails_is_seen_and_nothing_is_left_running(tmp_path: Path) -> None:
    """What is left running holds a lock, which the system frees at its death."""
    fcntl = pytest.importorskip("fcntl")
    start = f'python3 -c "{HOLDER}" > held &\nuntil grep -qs held held; do sleep 0.1; done\necho said'
    code, printed, everything = run(
        "page.md", [Block("sh", 1, start), Block("sh", 2, "false"), Block("sh", 3, "")], tmp_path
    )
    assert code == 1
    assert printed[1] == "said\n"
    assert 3 not in printed
    assert "this failed: false (page.md:2)" in everything
    with (tmp_path / "work" / "lock").open() as lock:
        until = time.monotonic() + 5.0
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                assert time.monotonic() < until, "it is still running"
                time.sleep(0.02)


@pytest.mark.parametrize(
    "text", ["![a](https://b/c.png)", '<img alt="" src="//b/c.png">', "<style>@import 'x'</style>", "src: url(//x)"]
)
def test_what_is_fetched_is_seen(text: str) -> None:
    assert _FETCHED.search(text)


def test_a_missing_room_is_seen() -> None:
    assert rooms_told("x\nsrc/keygw/\n  a/   what\n  b/  c/   what d/\nsimulators/") == {"a", "b", "c"}
