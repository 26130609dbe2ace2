"""The head unit: codes, questions, cards and who is there, within bounds; and its picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from keygw.model.errors import BadInput, Conflict, KeygwError, NotFound
from keygw_sim.garage import Garage
from keygw_sim.head_unit import orders
from keygw_sim.head_unit.car import BrainCar
from keygw_sim.head_unit.cards import (
    MAX_BUTTONS,
    MAX_CARDS,
    MAX_CARDS_OF_ONE,
    MAX_LINE,
    MAX_LINES,
    MAX_TITLE,
    Card,
    Pressed,
    Template,
)
from keygw_sim.head_unit.head_unit import Around, HeadUnit, KnownKey
from keygw_sim.head_unit.picture import WIDTH, picture
from keygw_sim.head_unit.prompts import MAX_PROMPTS, PROMPT_SECONDS, Ask

GOOD: dict[str, Any] = {
    "template": "key",
    "title": "Lend the car",
    "lines": ["to Anna", ""],
    "buttons": [{"name": "yes", "label": "Lend"}, {"name": "no", "label": "Keep"}],
}


@dataclass
class PaperCar:
    """A car that says what it is told to, and notes what was asked of it."""

    moving: bool = False
    asked: list[str] = field(default_factory=list)
    refusal: KeygwError | None = None

    def open_pairing(self) -> int:
        self.asked.append("open_pairing")
        if self.refusal is not None:
            raise self.refusal
        return 120

    def remove_key(self, key_id: str) -> None:
        self.asked.append(f"remove {key_id}")

    def known_keys(self) -> Sequence[KnownKey]:
        return [KnownKey("key_a", True, False), KnownKey("key_b", False, False), KnownKey("key_c", False, True)]

    def around(self) -> Sequence[Around]:
        return [Around("key_a", "owner", "inside"), Around("key_b", "friend", "unmeasured")]


class Dashboard:
    def __init__(self) -> None:
        self.now = 1000.0
        self.car = PaperCar()
        self.pressed: list[Pressed] = []
        self.unit = HeadUnit(self.car, lambda: self.now, self.pressed.append)


@pytest.fixture
def board() -> Dashboard:
    return Dashboard()


# -- codes and questions ---------------------------------------------------------------------------------------------


def test_a_code_is_shown_until_it_ends(board: Dashboard) -> None:
    board.unit.hear("pairing_code", {"code": "31415926", "expires_in": 120})
    assert "3141 5926" in picture(board.unit)
    assert "31415926" not in repr(board.unit.codes)
    board.now += 119.5
    assert board.unit.view()["codes"] == [{"digits": "31415926", "app": None, "seconds": 0}]
    board.now += 0.5
    assert not board.unit.codes
    board.unit.hear("pairing_code", {"code": "27182818", "expires_in": 120})
    board.unit.hear("pairing_closed", {"reason": "used"})
    assert not board.unit.codes
    assert "2718" not in picture(board.unit)


def test_a_moving_car_shows_no_code_and_no_question(board: Dashboard) -> None:
    board.unit.hear("pairing_code", {"code": "31415926", "expires_in": 120})
    prompt = board.unit.pair_phone()
    board.car.moving = True
    assert "3141" not in picture(board.unit)
    assert not board.unit.prompts
    for act in (board.unit.pair_phone, lambda: board.unit.remove_key("key_b"), lambda: board.unit.answer(1, True)):
        with pytest.raises(Conflict) as refusal:
            act()
        assert refusal.value.code == "in_motion"
    board.unit.answer(prompt.number, False)
    assert board.car.asked == []


@pytest.mark.parametrize("yes", [True, False])
def test_a_code_is_asked_for(board: Dashboard, yes: bool) -> None:
    prompt = board.unit.pair_phone()
    assert board.unit.pair_phone() == prompt, "the same question is asked once"
    board.unit.answer(prompt.number, yes)
    assert board.car.asked == (["open_pairing"] if yes else [])
    with pytest.raises(NotFound, match="its time is over"):
        board.unit.answer(prompt.number, yes)


def test_what_the_car_has_against_it_is_said(board: Dashboard) -> None:
    board.car.refusal = Conflict("an owner must allow it", code="owner_exists")
    with pytest.raises(Conflict, match="an owner"):
        board.unit.answer(board.unit.pair_phone().number, True)


def test_an_owners_permission_is_put_to_who_sits_there(board: Dashboard) -> None:
    for outcome in ("not_entitled", "done"):
        board.unit.hear("command", {"action": "allow_pairing", "outcome": outcome})
    (prompt,) = board.unit.prompts
    assert prompt.ask is Ask.NEW_OWNER
    board.unit.answer(prompt.number, True)
    assert board.car.asked == ["open_pairing"]


def test_silence_is_a_no(board: Dashboard) -> None:
    said: list[bool] = []
    board.unit.offer_app_code("Music", "12345678", 300, said.append)
    board.unit.remove_key("key_b")
    board.now += PROMPT_SECONDS
    board.unit.tick()
    assert said == [False]
    assert not board.unit.prompts
    assert board.car.asked == []


def test_an_apps_code_is_shown_to_those_who_said_yes(board: Dashboard) -> None:
    said: list[bool] = []
    prompt = board.unit.offer_app_code("Music", "12345678", 90, said.append)
    assert not board.unit.codes
    with pytest.raises(Conflict) as refusal:
        board.unit.offer_app_code("Music", "11111111", 90, said.append)
    assert refusal.value.code == "already_asked"
    board.now += 30
    board.unit.answer(prompt.number, True)
    assert (said, board.unit.view()["codes"]) == ([True], [{"digits": "12345678", "app": "Music", "seconds": 60}])
    board.unit.close_app_code()
    assert not board.unit.codes
    for name, digits in (("a\nb", "1"), ("", "1"), ("x" * 65, "1"), ("Music", "12a"), ("Music", "")):
        with pytest.raises(ValueError, match="one line"):
            board.unit.offer_app_code(name, digits, 90, said.append)


def test_a_key_is_removed_by_two_presses(board: Dashboard) -> None:
    prompt = board.unit.remove_key("key_b")
    assert "key_b" in prompt.text
    assert board.car.asked == []
    board.unit.answer(prompt.number, True)
    assert board.car.asked == ["remove key_b"]
    for unknown in ("key_c", "key_x"):
        with pytest.raises(Conflict) as refusal:
            board.unit.remove_key(unknown)
        assert refusal.value.code == "unknown_key"


def test_there_are_only_so_many_questions(board: Dashboard) -> None:
    for number in range(MAX_PROMPTS):
        board.unit.offer_app_code(f"App {number}", "1", 90, lambda yes: None)
    with pytest.raises(Conflict) as refusal:
        board.unit.pair_phone()
    assert refusal.value.code == "too_many_prompts"
    board.unit.hear("command", {"action": "allow_pairing", "outcome": "done"})
    assert "another was dropped" in board.unit.notices[-1]
    for _ in range(50):
        board.unit.hear("locked_behind", {})
    assert len(board.unit.notices) == 8


def test_a_line_of_the_log_that_is_not_for_people_changes_nothing(board: Dashboard) -> None:
    before = board.unit.view()
    for what, data in (("presented", {"key": "k"}), ("pairing_code", {"code": 5}), ("command", {}), ("", {})):
        board.unit.hear(what, dict(data))
    assert board.unit.view() == before


# -- cards -----------------------------------------------------------------------------------------------------------


def test_a_card_comes_is_pressed_replaced_and_goes(board: Dashboard) -> None:
    card = Card.from_json("Lending", "offer", GOOD)
    assert Card.from_json(card.app, card.name, {k: v for k, v in card.to_json().items() if k in GOOD}) == card
    board.unit.cards.put(card)
    assert "[Lend]  [Keep]" in picture(board.unit)
    assert board.unit.press("Lending", "offer", "yes") == Pressed("Lending", "offer", "yes")
    board.unit.cards.put(Card("Lending", "offer", Template.STATUS, "Lent"))
    assert [each["title"] for each in board.unit.view()["cards"]] == ["Lent"]
    with pytest.raises(NotFound, match="no card that is shown"):
        board.unit.press("Lending", "offer", "yes")
    board.unit.cards.remove("Lending", "offer")
    board.unit.cards.remove("Lending", "offer")
    assert board.unit.view()["cards"] == []
    assert len(board.pressed) == 1


def test_what_a_moving_car_shows(board: Dashboard) -> None:
    for template in Template:
        board.unit.cards.put(Card.from_json("App", template.value, GOOD | {"template": template.value}))
    board.car.moving = True
    assert {card["template"] for card in board.unit.view()["cards"]} == {"media", "navigation", "call"}
    with pytest.raises(NotFound):
        board.unit.press("App", "key", "yes")
    board.unit.press("App", "call", "yes")


def test_there_is_room_for_so_many_cards(board: Dashboard) -> None:
    cards = board.unit.cards
    for app in range(MAX_CARDS // MAX_CARDS_OF_ONE):
        for number in range(MAX_CARDS_OF_ONE):
            cards.put(Card(f"App {app}", f"{number}", Template.MEDIA, "title"))
        with pytest.raises(Conflict) as refusal:
            cards.put(Card(f"App {app}", "more", Template.MEDIA, "title"))
        assert refusal.value.code == "too_many_cards"
    with pytest.raises(Conflict):
        cards.put(Card("Another", "1", Template.MEDIA, "title"))
    cards.put(Card("App 0", "0", Template.MEDIA, "new title"))
    cards.remove_app("App 1")
    cards.put(Card("Another", "1", Template.MEDIA, "title"))
    assert len(cards.shown(moving=True)) == MAX_CARDS - MAX_CARDS_OF_ONE + 1


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"template": "web"}, "template is one of"),
        ({"template": None}, "template is one of"),
        ({"template": []}, "template is one of"),
        ({"title": ""}, "title is one line"),
        ({"title": "x" * (MAX_TITLE + 1)}, "title is one line"),
        ({"title": "turned \u202e around"}, "title is one line"),
        ({"title": 5}, "title is one line"),
        ({"lines": "text"}, "lines is a list"),
        ({"lines": ["x"] * (MAX_LINES + 1)}, "lines is a list"),
        ({"lines": ["\x1b[2J"]}, "a line is one line"),
        ({"lines": ["x" * (MAX_LINE + 1)]}, "a line is one line"),
        ({"buttons": {}}, "buttons is a list"),
        ({"buttons": [{"name": f"{n}", "label": "x"} for n in range(MAX_BUTTONS + 1)]}, "buttons is a list"),
        ({"buttons": [{"name": "a"}]}, "a button has a name and a label"),
        ({"buttons": [{"name": "a", "label": "x" * 21}]}, "a button's label"),
        ({"buttons": [{"name": "a", "label": "x"}, {"name": "a", "label": "y"}]}, "one name"),
        ({"html": "<b>"}, "no field 'html'"),
    ],
)
def test_a_card_that_is_none(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=says) as refusal:
        Card.from_json("App", "card", GOOD | changes)
    assert refusal.value.code == "bad_card"


@pytest.mark.parametrize("data", [None, [], "card", 5])
def test_a_card_is_an_object(data: object) -> None:
    with pytest.raises(BadInput, match="object"):
        Card.from_json("App", "card", data)


def test_the_picture_has_one_width_whatever_is_on_it(board: Dashboard) -> None:
    empty = picture(board.unit)
    long = "x" * MAX_LINE
    board.unit.cards.put(Card.from_json("A" * 64, "n", GOOD | {"lines": [long] * MAX_LINES}))
    board.unit.hear("pairing_code", {"code": "31415926", "expires_in": 120})
    board.unit.remove_key("key_b")
    full = picture(board.unit)
    assert {len(line) for line in (empty + full).splitlines()} == {WIDTH + 4}
    assert "owner in the car: key_a" in full
    assert full.count("x") >= MAX_LINES * MAX_LINE


# -- in a real car ---------------------------------------------------------------------------------------------------


@pytest.fixture
def car(tmp_path: Path) -> tuple[Garage, HeadUnit, list[Pressed]]:
    garage, pressed = Garage(tmp_path).enrol("owner", "friend"), list[Pressed]()
    return garage, HeadUnit(BrainCar(lambda: garage.brain), lambda: garage.monotonic, pressed.append), pressed


def test_the_orders_drive_it(car: tuple[Garage, HeadUnit, list[Pressed]]) -> None:
    garage, unit, pressed = car
    visit = garage.visit("friend")
    visit.prove()
    seen = orders.obey(unit, {"do": "screen"})
    assert seen["screen"]["around"] == [{"key": garage.key("friend"), "role": "friend", "zone": "unmeasured"}]
    assert {row["key"]: row["owner"] for row in seen["screen"]["keys"]} == {
        garage.key("owner"): True, garage.key("friend"): False,
    }  # fmt: skip
    asked = orders.obey(unit, {"do": "press", "what": "remove_key", "key": garage.key("friend")})
    assert orders.obey(unit, {"do": "answer", "prompt": asked["prompt"], "yes": True}) == {"outcome": "done"}
    assert orders.obey(unit, {"do": "screen"})["screen"]["around"] == []
    asked = orders.obey(unit, {"do": "press", "what": "remove_key", "key": garage.key("owner")})
    refused = orders.obey(unit, {"do": "answer", "prompt": asked["prompt"], "yes": True})
    assert refused["outcome"] == "last_owner"
    assert orders.obey(unit, {"do": "card", "app": "App", "name": "n", "card": GOOD}) == {"outcome": "done"}
    press = {"do": "press", "what": "button", "app": "App", "name": "n", "button": "no"}
    assert orders.obey(unit, press) == {"outcome": "done"}
    assert pressed == [Pressed("App", "n", "no")]
    assert orders.obey(unit, {"do": "card", "app": "App", "name": "n"}) == {"outcome": "done"}
    assert orders.obey(unit, press)["outcome"] == "no_such_button"
    assert orders.obey(unit, {"do": "card", "app": "App", "name": "n", "card": {}})["outcome"] == "bad_card"
    asked = orders.obey(unit, {"do": "press", "what": "pair_phone"})
    assert orders.obey(unit, {"do": "answer", "prompt": asked["prompt"], "yes": True})["outcome"] == "owner_exists"


def test_a_reboot_leaves_the_screen_with_the_car_that_is(car: tuple[Garage, HeadUnit, list[Pressed]]) -> None:
    garage, unit, _ = car
    garage.visit("owner").prove()
    assert len(unit.view()["around"]) == 1
    garage.reboot()
    assert unit.view()["around"] == []
    garage.trust()
    garage.visit("owner").prove()
    assert len(unit.view()["around"]) == 1


@pytest.mark.parametrize(
    "order",
    [
        {"do": "dance"},
        {"do": "press", "what": "the horn"},
        {"do": "press"},
        {"do": "answer", "prompt": "1", "yes": True},
        {"do": "answer", "prompt": 1, "yes": "no"},
        {"do": "answer", "prompt": True, "yes": True},
        {"do": "card", "app": "App"},
    ],
)
def test_an_order_that_is_none(car: tuple[Garage, HeadUnit, list[Pressed]], order: dict[str, Any]) -> None:
    with pytest.raises((ValueError, KeyError)):
        orders.obey(car[1], order)
