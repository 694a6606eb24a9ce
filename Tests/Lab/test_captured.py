"""What somebody has seen of others in clear gives him nothing: no call, no binding, no word in a dialog of theirs."""

import socket
from collections.abc import Callable, Iterator

import pytest
from conftest import ACCOUNTS, Lab, Site
from lab.accounts import Account
from lab.asterisk import ECHO
from lab.attack_spoof import packet
from lab.capture import Capture
from lab.clients import Client, proven
from lab.dialogs import Talk, asked, invitation, offer
from lab.namespaces import EDGE_INSIDE, EDGE_OUTSIDE, command, entered
from lab.phones import Shelf
from lab.sip import Message, Request
from lab.waiting import eventually

VICTIM, OTHER = ACCOUNTS["1001"], ACCOUNTS["1003"]
HOME, ELSEWHERE, OFFICE = "198.18.1.34", "198.18.1.35", "198.18.1.38"
NOBODY = "1010"
GUESSES = 8
BARRED = (403, 481)


@pytest.fixture(autouse=True)
def nobody_is_barred(any_site: Site) -> Iterator[None]:
    """After every test here: nobody is banned, and no call is left."""
    yield
    bans = any_site.edge.bans()
    any_site.edge.ask("unban", "all")
    assert bans == []
    any_site.wait_idle()


def bindings(site: Site, account: str = VICTIM.name) -> list[tuple[str, str]]:
    return sorted((one["contact"], one["address"]) for one in site.edge.phones(account))


def copy(seen: Request, thief: Client, **changed) -> Request:
    """A request that was seen, from the thief's own port: its credentials stay as they are."""
    return Request(**{**vars(seen), "via": thief.request("OPTIONS", VICTIM.name).via, **changed})


def is_asked_anew(answer: Message) -> bool:
    """Whether a request is challenged again because its answer was used before."""
    return answer.status in (401, 407) and answer.challenge().get("stale") == "true"


# --- Requests


REGISTERS: dict[str, Callable[[Request, Client], Request]] = {
    "another-contact": lambda seen, thief: copy(seen, thief, contact=f"sip:{VICTIM.name}@{thief.address}:{thief.port}"),
    "a-contact-more": lambda seen, thief: copy(
        seen, thief, extra=[*seen.extra, f"Contact: <sip:{VICTIM.name}@{thief.address}:{thief.port}>"]
    ),
    "star": lambda seen, thief: copy(
        seen, thief, contact="", extra=["Contact: *", *(line for line in seen.extra if "Expires" not in line), "Expires: 0"]
    ),
    "expired": lambda seen, thief: copy(
        seen, thief, extra=[*(line for line in seen.extra if "Expires" not in line), "Expires: 0"]
    ),
    "another-from-tag": lambda seen, thief: copy(seen, thief, from_tag="another"),
}


def registered(phone: Client) -> Request:
    """Registers the victim, and returns the REGISTER that did it."""
    request = phone.request("REGISTER", VICTIM.name, extra=["Expires: 600"])
    seen = proven(request, asked(phone, request), VICTIM)
    assert asked(phone, seen).status == 200
    return seen


@pytest.mark.parametrize("change", REGISTERS, ids=str)
def test_a_registration_that_was_seen_changes_no_binding(any_site: Site, lab: Lab, change: str) -> None:
    with lab.client(HOME) as phone, lab.client(HOME) as thief:
        seen = registered(phone)
        before = bindings(any_site)
        assert [contact for contact, _ in before] == [seen.contact]
        assert is_asked_anew(asked(thief, REGISTERS[change](seen, thief)))
        assert bindings(any_site) == before
        assert phone.register(VICTIM) == 200
        assert phone.register(VICTIM, expires=0) == 200


def test_a_registration_that_was_seen_does_not_bring_its_binding_back(any_site: Site, lab: Lab) -> None:
    with lab.client(HOME) as phone, lab.client(HOME) as thief:
        seen = registered(phone)
        assert phone.register(VICTIM, expires=0) == 200
        for said in (seen, copy(seen, thief)):
            thief.send(said.encoded())
            assert thief.receive_final()
            assert bindings(any_site) == []


def to_the_echo(seen: Request) -> dict[str, str]:
    target = f"sip:{ECHO}@{seen.uri.partition('@')[2]}"
    return {"uri": target, "to": target}


INVITES: dict[str, Callable[[Request, Client], Request]] = {
    "another-number": lambda seen, thief: copy(seen, thief, **to_the_echo(seen), from_tag="another"),
    "another-from-tag": lambda seen, thief: copy(seen, thief, from_tag="another"),
    "another-branch": lambda seen, thief: copy(seen, thief, branch="z9hG4bKanother"),
    "another-call-id": lambda seen, thief: copy(seen, thief, call_id="another"),
    "another-contact-and-media": lambda seen, thief: copy(
        seen,
        thief,
        from_tag="another",
        contact=f"sip:{VICTIM.name}@{thief.address}:{thief.port}",
        body=offer(ELSEWHERE),
    ),
}


@pytest.mark.parametrize("change", INVITES, ids=str)
@pytest.mark.parametrize("number", [NOBODY, ECHO], ids=["refused", "answered"])
def test_an_invite_that_was_seen_places_no_call(any_site: Site, lab: Lab, number: str, change: str) -> None:
    with lab.client(HOME) as phone, lab.client(HOME) as thief:
        seen = invitation(phone, VICTIM, number)
        talk = Talk.answered(phone, VICTIM, seen) if number == ECHO else None
        assert talk or 400 <= asked(phone, seen).status < 600
        channels = 1 if talk else 0
        eventually(lambda: any_site.asterisk.channels() == channels, "what the phone's own call leaves")
        assert is_asked_anew(asked(thief, INVITES[change](seen, thief)))
        assert any_site.asterisk.channels() == channels
        assert len(any_site.edge.calls()) == channels
        assert not talk or talk.hang_up() == 200


def test_an_invite_that_was_seen_places_no_call_in_the_phones_own_transaction(any_site: Site, lab: Lab) -> None:
    """With another number and port alone it is the phone's INVITE said again, whatever it asks for."""
    with lab.client(HOME) as phone, lab.client(HOME) as thief:
        seen = invitation(phone, VICTIM, NOBODY)
        assert 400 <= asked(phone, seen).status < 600
        thief.send(copy(seen, thief, **to_the_echo(seen)).encoded())
        # Whatever that is met with, its own question comes after it.
        assert asked(thief, thief.request("OPTIONS", VICTIM.name, uri=f"sip:{lab.domain}"))
        assert any_site.asterisk.channels() == 0
        assert any_site.edge.calls() == []


# --- Dialogs


def renewal(talk: Talk) -> Request:
    return talk.request("INVITE", body=offer(talk.client.address))


WORDS: dict[str, Callable[[Talk], Request]] = {
    "info": lambda talk: talk.request("INFO"),
    "re-invite": renewal,
    "bye": lambda talk: talk.request("BYE"),
    "refer": lambda talk: talk.request("REFER", f"Refer-To: <sip:{NOBODY}@{talk.client.domain}>"),
    "update": lambda talk: talk.request("UPDATE", body=offer(talk.client.address)),
    "message": lambda talk: talk.request("MESSAGE"),
}


def stolen(own: Talk, other: Talk, word: str, sender: str) -> Request:
    """A word to one's own token, with what names the other's dialog."""
    request = WORDS[word](own)
    request.call_id, request.from_tag = other.invite.call_id, other.invite.from_tag
    request.to_tag = other.request(request.method).to_tag
    request.sender = {"own": own, "other": other}[sender].invite.sender
    # Later than what the other has said in it.
    request.cseq += 100
    return request


def answered(talk: Talk, request: Request) -> int:
    """The status of the answer, after a challenge that of the answer to the credentials."""
    first = asked(talk.client, request)
    if first.status not in (401, 407):
        return first.status
    return asked(talk.client, proven(request, first, talk.account)).status


@pytest.mark.parametrize("sender", ["own", "other"])
@pytest.mark.parametrize("word", WORDS, ids=str)
def test_a_phone_has_no_word_in_another_ones_dialog(any_site: Site, lab: Lab, word: str, sender: str) -> None:
    with lab.client(HOME) as phone, lab.client(ELSEWHERE) as thief:
        talk, own = Talk.begun(phone, VICTIM, ECHO), Talk.begun(thief, OTHER, ECHO)
        assert answered(own, stolen(own, talk, word, sender)) in BARRED
        assert any_site.asterisk.channels() == 2
        end = talk.request("BYE")
        phone.send(end.encoded())
        heard = phone.receive()
        assert heard
        assert (heard.status, heard.header("cseq")) == (200, f"{end.cseq} BYE"), "the first that it hears of anybody"
        eventually(lambda: any_site.asterisk.channels() == 1, "the thief's own call alone is left")
        assert own.hang_up() == 200


# --- Transfers


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_a_real_phone_transfers_its_call(any_site: Site, shelf: Shelf, lab: Lab, transport: str) -> None:
    """By UDP the phone is asked for its password, since a transfer begins a call."""
    first = shelf.phone().register(lab.accounts["1001"], transport, lab.domain)
    second = shelf.phone().register(lab.accounts["1002"], "udp", lab.domain)
    eventually(lambda: any_site.asterisk.registered("1002"), "Asterisk knows the called account")
    first.dial(f"sip:1002@{lab.domain}")
    second.answer().wait_established()
    first.wait_established().wait_hearing(second.tone)
    with Capture(lab.network, "outside") as outside, Capture(lab.network, "inside") as inside:
        first.order("transfer", f"sip:{ECHO}@{lab.domain}")
        first.wait_closed()
        second.wait_hearing(second.tone)
    assert not second.seen("CALL_CLOSED")
    assert any_site.asterisk.channels() == 1
    assert sum(raw.startswith(b"REFER ") for raw in inside.signalling(outgoing=True)) == 1
    if transport == "udp":
        said = [raw for raw in outside.signalling(outgoing=False) if raw.startswith(b"REFER ")]
        assert [b"Proxy-Authorization: " in raw for raw in said] == [False, True]
    second.hang_up().wait_closed()


# --- Neighbours


def test_a_neighbour_who_guesses_its_password_stops_no_phone(any_site: Site, lab: Lab) -> None:
    """They share an address, as behind an office's router."""
    with lab.client(OFFICE, "tls") as secure, lab.client(OFFICE) as plain, lab.client(OFFICE) as neighbour:
        for phone in (secure, plain):
            assert phone.register(VICTIM) == 200
        for number in range(GUESSES):
            assert neighbour.register(Account(VICTIM.name, f"guess-{number}")) == 401
            for phone in (secure, plain):
                assert phone.register(VICTIM) == 200
                assert Talk.begun(phone, VICTIM, ECHO).hang_up() == 200
        # From the way that guesses not even the right one is looked at any more.
        assert neighbour.register(VICTIM) == 401
        for phone in (secure, plain):
            assert phone.register(VICTIM, expires=0) == 200


# --- Addresses of the inside


MARK = b"rempart-forged-mark"
INSIDE: dict[str, Callable[[Site], str]] = {
    "asterisk": lambda site: site.asterisk.address,
    "edge": lambda site: EDGE_INSIDE,
    "edge-outside": lambda site: EDGE_OUTSIDE,
}


def forged(client: Client) -> list[bytes]:
    """What would be answered, or passed on, if it came from where it says."""
    marked = [f"User-Agent: {MARK.decode()}"]
    requests = [
        client.request(method, VICTIM.name, to=ECHO, call_id=f"{MARK.decode()}-{method}", extra=marked).encoded()
        for method in ("OPTIONS", "REGISTER", "INVITE", "BYE", "DANCE")
    ]
    return [*requests, requests[0].replace(b"CSeq: 1 ", b"CSeq: x "), b"SIP/2.0 200 OK\r\n" + requests[0].partition(b"\r\n")[2]]


@pytest.mark.parametrize("source", INSIDE, ids=str)
@pytest.mark.parametrize("wall", ["kernel", "process"])
def test_what_is_sent_in_the_insides_name_reaches_no_asterisk(any_site: Site, lab: Lab, wall: str, source: str) -> None:
    """The kernel drops it; and where its table is empty, as an administrator may have emptied it, sip-router does."""
    address = INSIDE[source](any_site)
    command(*lab.in_edge, "sysctl", "-q", "-w", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.outside.rp_filter=0")
    with entered(lab.network.clients):
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)

    def seen(wire: Capture, outgoing: bool) -> set[str]:
        return {one.source[0] for one in list(wire.packets) if one.outgoing == outgoing and MARK in one.payload}

    # What the kernel drops comes as far as the cable, and not as far as the interface.
    with (
        raw,
        Capture(lab.network, "clients") as cable,
        Capture(lab.network, "outside") as outside,
        Capture(lab.network, "inside") as inside,
        lab.client(ELSEWHERE) as phone,
    ):

        def arrived() -> set[str]:
            if wall == "process":
                any_site.edge.nft("flush", "table", "inet", "TABLE")
            for said in forged(phone):
                raw.sendto(packet(address, EDGE_OUTSIDE, said, 5060), (EDGE_OUTSIDE, 0))
            # When the tap has seen this call, it has seen all that came before.
            assert Talk.begun(phone, OTHER, ECHO).hang_up() == 200
            eventually(lambda: any(one.startswith(b"BYE ") for one in inside.signalling(outgoing=True)), "the call's end")
            return seen(cable if wall == "kernel" else outside, outgoing=False)

        try:
            assert eventually(arrived, "it comes as far as it may") == {address}
        finally:
            if wall == "process":
                assert any_site.edge.ask("restart", "banner").returncode == 0
    assert wall == "process" or not seen(outside, outgoing=False)
    assert not seen(cable, outgoing=True) | seen(outside, outgoing=True) | seen(inside, outgoing=True)
