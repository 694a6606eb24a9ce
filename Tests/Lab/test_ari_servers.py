"""Several Asterisks in one URL, of which the first is killed, or hangs."""

import json
import secrets
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest
from conftest import Lab, Site
from lab import ari
from lab.accounts import Account
from lab.asterisk import PJSIP_22, Asterisk
from lab.namespaces import PBX_MEDIA
from lab.rempart import Rempart
from lab.waiting import eventually

# A look at an Asterisk that was away comes within 10 s.
BACK = 30.0
# How long one hangs while others ask: longer than it takes until it is looked at seldom.
PAUSE = 25.0


class Pair:
    """Two Asterisks with the same accounts, and an edge that asks the first one while that answers."""

    def __init__(self, lab: Lab, site: Site, edge: Rempart) -> None:
        self.lab, self.site, self.edge = lab, site, edge

    @property
    def first(self) -> Asterisk:
        return self.site.asterisks[0]

    def who_tells(self) -> str:
        """The address of the one that has told an account just now."""
        done = self.edge.ask("accounts", "1001", "--json")
        return json.loads(done.stdout)["source"] if done.returncode == 0 else done.stderr

    def is_asked(self, asterisk: Asterisk) -> None:
        eventually(lambda: asterisk.address in self.who_tells(), lambda: f"{asterisk.address} tells: {self.who_tells()}", BACK, every=0.5)

    def strangers(self, seconds: float) -> list[int]:
        """What names get that nobody has, one each third of a second: 401 where they are looked up in time, 503 where not."""
        statuses, end = [], time.monotonic() + seconds
        with self.lab.client("198.18.2.3") as client:
            while time.monotonic() < end:
                begun = time.monotonic()
                statuses.append(client.register(Account(secrets.token_hex(4), "wrong")))
                time.sleep(max(0.0, 0.3 - (time.monotonic() - begun)))
        return statuses


def is_told(pair: Pair, asterisk: Asterisk, what: str) -> None:
    """Waits until status says so of one of them, and that another one is asked."""
    words = (f"{asterisk.address}:{ari.PORT} {what}", "Another Asterisk is asked meanwhile")
    eventually(lambda: all(each in ari.conditions(pair.edge) for each in words), lambda: f"{words} told: {ari.conditions(pair.edge)}", BACK)


@pytest.fixture(scope="module")
def pair(lab: Lab) -> Iterator[Pair]:
    places = list(PBX_MEDIA)
    site = Site(lab, [PJSIP_22, PJSIP_22], places=places, more=ari.additions(PJSIP_22, "0.0.0.0"))
    url = "ari://" + ",".join(f"{place}:{ari.PORT}" for place in places)
    try:
        for asterisk in site.asterisks:
            asterisk.start()
        with ari.edge_asking(lab, site.settings, url) as edge:
            yield Pair(lab, site, edge)
    finally:
        site.stop()


def test_when_the_first_is_killed_the_next_one_is_asked_and_the_first_again_when_it_is_back(pair: Pair, lab: Lab) -> None:
    first, second = pair.site.asterisks
    pair.is_asked(first)
    first.stop()
    try:
        with lab.client("198.18.2.4") as client:
            assert client.register(lab.accounts["1002"]) == 200
            assert client.register(Account("1003", "wrong")) == 401
        assert second.address in pair.who_tells()
        is_told(pair, first, "cannot be reached")
        statuses = pair.strangers(5)
        assert set(statuses) == {401}, statuses
    finally:
        first.start()
    pair.is_asked(first)
    eventually(lambda: "cannot be reached" not in ari.conditions(pair.edge), lambda: f"it is told no more: {ari.conditions(pair.edge)}", BACK)


def test_when_the_first_hangs_the_next_one_is_asked_and_the_first_again_when_it_goes_on(pair: Pair, lab: Lab) -> None:
    first, second = pair.site.asterisks
    pair.is_asked(first)
    with lab.client("198.18.2.5") as known, lab.client("198.18.2.6") as client:
        assert known.register(lab.accounts["1004"]) == 200
        first.pause()
        try:
            assert known.register(lab.accounts["1004"]) == 200
            eventually(lambda: client.register(lab.accounts["1005"]) == 200, "a phone registers that was not known", BACK, every=0.5)
            assert second.address in pair.who_tells()
            is_told(pair, first, "does not answer in time")
            assert known.register(lab.accounts["1004"]) == 200
        finally:
            first.resume()
        pair.is_asked(first)
        assert known.register(lab.accounts["1004"]) == 200
    eventually(lambda: "does not answer in time" not in ari.conditions(pair.edge), lambda: f"it is told no more: {ari.conditions(pair.edge)}", BACK)


def test_beside_one_that_hangs_new_phones_are_looked_up_in_time(pair: Pair) -> None:
    first = pair.first
    pair.is_asked(first)
    first.pause()
    try:
        eventually(lambda: set(pair.strangers(1)) == {401}, "the first finds out that it hangs", BACK)
        statuses = pair.strangers(PAUSE)
        late = [number for number, status in enumerate(statuses) if status != 401]
        print(f"{len(late)} of {len(statuses)} names got something else than 401, at {late}")
        # It is looked at for 0.2 s, which may cost the one that asks just then its answer, and nobody else.
        assert all(other - one > 1 for one, other in pairwise(late)), late
    finally:
        first.resume()
