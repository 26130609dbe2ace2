"""pytest plugin: ``pytest --keygw-target=tcp-client:... --keygw-rig=DIR`` adds each requirement as a test.

For a firmware project that has keygw installed; without ``--keygw-target`` it does nothing, and loads nothing. Choose
with ``-k KS_203`` or ``--keygw-only KS-2``. A requirement that does not show on the air, or cannot be tried here, is a
skipped test with its reason. A radio that goes away in the middle fails every test that was still to come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from keygw_sim.conformance.kit import Stand, Verdict

CLEAN_UP_S = 10.0


def pytest_addoption(parser: pytest.Parser) -> None:
    """Names of our own, so that no other plugin's clash."""
    group = parser.getgroup("keygw", "keygw: conformance of a vehicle")
    group.addoption(
        "--keygw-target", metavar="TARGET", help="virtual, memory, bluez, a Bumble transport, or an address"
    )
    group.addoption("--keygw-rig", metavar="DIR", help="what keygw conformance prepare has made for the board")
    group.addoption("--keygw-only", metavar="NUMBER", action="append", default=[], help="KS-203, or KS-9 for several")


def pytest_collection(session: pytest.Session) -> None:
    """A wrong word ends the run before anything is tried."""
    if session.config.getoption("keygw_target"):
        from keygw_sim.conformance import kit
        from keygw_sim.conformance.registry import Role

        try:
            kit.chosen(Role.VEHICLE, session.config.getoption("keygw_only"))
        except KeyError as error:
            raise pytest.UsageError(f"--keygw-only: no requirement begins with {error.args[0]!r}") from error


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """The requirements come behind the project's own tests."""
    if not config.getoption("keygw_target"):
        return
    suite = Suite.from_parent(session, name="keygw", nodeid="keygw")
    mine = list(suite.collect())
    words = config.getoption("keyword")
    items += [item for item in mine if not words or any(word in item.name for word in words.split(" or "))]


class Suite(pytest.Collector):
    """One stand for all of its tests, opened with the first."""

    _runner: asyncio.Runner | None = None
    _context: Any = None
    _stand: Stand | None = None
    broken_off = ""

    def collect(self) -> Iterable[pytest.Item]:
        from keygw_sim.conformance import kit
        from keygw_sim.conformance.registry import Role

        for each in kit.chosen(Role.VEHICLE, self.config.getoption("keygw_only")):
            yield Item.from_parent(self, name=each.id.replace("-", "_"), number=each.id)

    def try_one(self, number: str) -> Verdict:
        """``pytest.UsageError`` where there is nothing to try it on."""
        from keygw.model.errors import KeygwError
        from keygw_sim.conformance import kit, targets

        if self._runner is None:
            self._runner = asyncio.Runner()
        if self._stand is None:
            folder = self.config.getoption("keygw_rig")
            target = self.config.getoption("keygw_target")
            self._context = targets.stand(target, None if folder is None else Path(folder))
            try:
                self._stand = self._runner.run(self._context.__aenter__())
            except KeygwError as error:
                self.broken_off = str(error)
                raise
        report = self._runner.run(kit.run(self._stand, self.config.getoption("keygw_target"), [number]))
        self.broken_off = report.broken_off
        return next(verdict for verdict in report.verdicts if verdict.requirement.id == number)

    def teardown(self) -> None:
        runner, self._runner = self._runner, None
        if runner is not None:
            if self._stand is not None:
                self._stand = None
                runner.run(asyncio.wait_for(self._context.__aexit__(None, None, None), CLEAN_UP_S))
            runner.close()


class Item(pytest.Item):
    """One requirement."""

    def __init__(self, *, number: str, **rest: Any) -> None:
        super().__init__(**rest)
        self._number = number

    def runtest(self) -> None:
        from keygw_sim.conformance.verdict import Word

        suite = self.parent
        assert isinstance(suite, Suite)  # noqa: S101 - we have made it
        if suite.broken_off:
            raise NotHeld(f"not tried: {suite.broken_off}")
        verdict = suite.try_one(self._number)
        if suite.broken_off:
            raise NotHeld(f"broken off: {suite.broken_off}")
        if verdict.word in (Word.SKIPPED, Word.HIDDEN):
            pytest.skip(f"{verdict.word.value}: {verdict.why}")
        if verdict.word is Word.FAIL:
            raise NotHeld("\n".join(_told(verdict)))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """A requirement that does not hold is told in its own words, without our stack."""
        if isinstance(excinfo.value, NotHeld):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, f"keygw conformance {self._number}"


class NotHeld(Exception):
    """The requirement does not hold, or could not be tried to its end."""


def _told(verdict: Verdict) -> Iterator[str]:
    yield f"{verdict.requirement.id} {verdict.requirement.says}"
    yield f"  {verdict.why}"
    for tried in verdict.tried:
        if tried.word.value == "fail":
            yield f"  {tried.name}:"
            yield from (f"    {line.at:8.3f}  {line.way:<3}  {line.what}" for line in tried.evidence)
