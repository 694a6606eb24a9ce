"""Trunks in front of two Asterisks: calls take turns, but a registered Contact belongs to the one that registered it."""

from collections.abc import Iterator

import pytest
from conftest import Lab, Site, Stage
from lab.asterisk import CHAN_SIP_16, ECHO, PJSIP_16, PJSIP_22, Asterisk
from lab.peers import Peer
from lab.trunks import CARRIER, TELCO, TRUNKS
from lab.waiting import eventually
from test_trunk_provider import CUSTOMER, register_again, registered, start_provider


@pytest.fixture
def provider(lab: Lab) -> Iterator[Asterisk]:
    provider = start_provider(lab, CHAN_SIP_16)
    yield provider
    provider.stop()


@pytest.fixture
def pair(stage: Stage) -> Iterator[Site]:
    """Two Asterisks with the same trunks; new for each test, as one of these tests stops them."""
    yield stage.site([PJSIP_16, PJSIP_22], TRUNKS)
    stage.clear()


def channels(site: Site) -> list[int]:
    return [asterisk.channels() if asterisk.process else 0 for asterisk in site.asterisks]


def call_and_hang_up(site: Site, provider: Peer) -> list[int]:
    """One call of a provider; returns how many channels each Asterisk had meanwhile."""
    leg = provider.call(ECHO)
    seen = channels(site)
    assert leg.hang_up() == 200
    eventually(lambda: channels(site) == [0, 0], "the call has ended")
    return seen


def test_trunk_a_providers_calls_take_turns_and_go_on_when_one_asterisk_stops(pair: Site, lab: Lab) -> None:
    with Peer(lab.network, TELCO.servers[0]) as provider:
        turns = [call_and_hang_up(pair, provider) for _ in range(4)]
        assert sorted(turns) == [[0, 1], [0, 1], [1, 0], [1, 0]]
        # The next call may come before anybody has noticed.
        pair.asterisks[0].stop()
        assert [call_and_hang_up(pair, provider) for _ in range(2)] == [[0, 1], [0, 1]]


def test_trunk_a_providers_call_to_a_registered_contact_goes_to_the_asterisk_that_registered(
    provider: Asterisk, pair: Site
) -> None:
    for away, there in (pair.asterisks, reversed(pair.asterisks)):
        away.cli(f"pjsip send unregister {CARRIER.name}")
        eventually(lambda one=away: not registered(one), "one has unregistered")
        register_again(there)
        eventually(lambda one=there: registered(one) and provider.registered(CUSTOMER.name), "the other one has registered", 20)
        for _ in range(3):
            provider.cli(f"channel originate SIP/{CUSTOMER.name} application Echo")
            eventually(lambda: sum(channels(pair)) == 1, "the call is up")
            assert there.channels() == 1
            provider.cli("channel request hangup all")
            eventually(lambda: channels(pair) == [0, 0], "the call has ended")
