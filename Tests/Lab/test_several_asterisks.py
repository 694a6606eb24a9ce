"""Two Asterisks behind one edge: calls take turns, and one that is gone or deaf is left out."""

from collections.abc import Iterator

import pytest
from conftest import Lab, Site, Stage
from lab.asterisk import ECHO, MUTE, PJSIP_16, PJSIP_22
from lab.phones import Phone, Shelf
from lab.waiting import eventually


@pytest.fixture
def pair(stage: Stage) -> Iterator[Site]:
    """Two Asterisks that share a database; new for each test, as these tests stop them."""
    yield stage.site([PJSIP_16, PJSIP_22])
    stage.clear()


def wait_states(site: Site, states: list[str]) -> None:
    eventually(
        lambda: [site.edge.asterisk_state(asterisk.address) for asterisk in site.asterisks] == states,
        lambda: f"Asterisks seen as {states}; now {site.edge.status()['asterisk']}",
        seconds=20,
    )


def call_and_hang_up(site: Site, phone: Phone, lab: Lab, count: int) -> list[int]:
    """One call to the echo extension; returns how many channels each Asterisk had meanwhile."""
    phone.dial(f"sip:{ECHO}@{lab.domain}").wait("CALL_ESTABLISHED", count=count)
    channels = [asterisk.channels() if asterisk.process else 0 for asterisk in site.asterisks]
    phone.hang_up().wait("CALL_CLOSED", count=count)
    return channels


def test_an_account_is_registered_at_both(pair: Site, shelf: Shelf, lab: Lab) -> None:
    shelf.phone().register(lab.accounts["1001"], "udp", lab.domain)
    for asterisk in pair.asterisks:
        eventually(lambda: asterisk.registered("1001"), f"{asterisk.kind} holds a contact")


def test_calls_take_turns_and_go_on_when_one_asterisk_stops_and_returns(pair: Site, shelf: Shelf, lab: Lab) -> None:
    phone = shelf.phone().register(lab.accounts["1001"], "udp", lab.domain)
    turns = [call_and_hang_up(pair, phone, lab, count) for count in (1, 2, 3, 4)]
    assert sorted(turns) == [[0, 1], [0, 1], [1, 0], [1, 0]]
    assert turns[0] != turns[1] and turns[1] != turns[2]

    pair.asterisks[0].stop()
    wait_states(pair, ["down", "up"])
    assert [call_and_hang_up(pair, phone, lab, count) for count in (5, 6)] == [[0, 1], [0, 1]]

    pair.asterisks[0].start()
    wait_states(pair, ["up", "up"])
    eventually(lambda: pair.asterisks[0].registered("1001"), "the returned Asterisk knows the account again", 20)
    assert sorted(call_and_hang_up(pair, phone, lab, count) for count in (7, 8)) == [[0, 1], [1, 0]]


def test_an_invite_one_asterisk_leaves_unanswered_moves_to_the_other(pair: Site, shelf: Shelf, lab: Lab) -> None:
    phone = shelf.phone().register(lab.accounts["1001"], "udp", lab.domain)
    pair.asterisks[0].pause()
    try:
        for count in (1, 2):
            phone.dial(f"sip:{ECHO}@{lab.domain}").wait("CALL_ESTABLISHED", seconds=25, count=count)
            assert pair.asterisks[1].channels() == 1
            phone.hang_up().wait("CALL_CLOSED", count=count)
    finally:
        pair.asterisks[0].resume()


def test_a_call_leaves_an_asterisk_that_hangs_after_its_trying(pair: Site, shelf: Shelf, lab: Lab) -> None:
    phone = shelf.phone().register(lab.accounts["1001"], "udp", lab.domain)
    phone.dial(f"sip:{MUTE}@{lab.domain}")
    has_it = eventually(lambda: next((one for one in pair.asterisks if one.channels() == 1), None), "an Asterisk has the call")
    other = next(one for one in pair.asterisks if one is not has_it)
    has_it.pause()
    try:
        eventually(lambda: other.channels() == 1, "the other one has the call", 35)
    finally:
        has_it.resume()
    eventually(lambda: has_it.channels() == 0, "the first one has forgotten it", 20)
    assert other.channels() == 1
    phone.hang_up().wait("CALL_CLOSED")
    eventually(lambda: other.channels() == 0, "the call is over")
