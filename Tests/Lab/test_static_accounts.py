"""Accounts in Asterisk's own files (`asterisk://`): the edge and Asterisk read the same file."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import Lab, Site
from lab.accounts import Account
from lab.asterisk import CHAN_SIP_16, MOUNTED, PJSIP_16, PJSIP_22, Kind
from lab.phones import Shelf
from lab.rempart import Rempart
from lab.waiting import eventually

FIRST, SECOND = Account("1501", "secret-of-1501"), Account("1502", "secret-of-1502")
# Promised is 3 s.
DEADLINE = 9.0

SIP_CONF = """[phone](!)
type=friend
host=dynamic
context=phones
nat=no
directmedia=no
disallow=all
allow=ulaw
"""
SIP_ACCOUNT = """[{name}](phone)
secret={secret}
"""
PJSIP_CONF = """[phone](!)
type=endpoint
context=phones
disallow=all
allow=ulaw
direct_media=no
rewrite_contact=no
force_rport=no
rtp_symmetric=yes
"""
PJSIP_ACCOUNT = """[{name}](phone)
auth={name}-auth
aors={name}
[{name}-auth]
type=auth
username={name}
password={secret}
[{name}]
type=aor
max_contacts=1
remove_existing=yes
"""
WIZARD_CONF = """[phone](!)
type=wizard
accepts_registrations=yes
accepts_auth=yes
endpoint/context=phones
endpoint/disallow=all
endpoint/allow=ulaw
endpoint/direct_media=no
endpoint/rewrite_contact=no
endpoint/force_rport=no
endpoint/rtp_symmetric=yes
aor/max_contacts=1
aor/remove_existing=yes
"""
WIZARD_ACCOUNT = """[{name}](phone)
inbound_auth/username={name}
inbound_auth/password={secret}
"""


@dataclass(frozen=True)
class Style:
    """How the accounts are written, for which Asterisk, and how it is told to read them again."""

    kind: Kind
    file: str
    head: str
    account: str
    reload: str

    def text(self, *accounts: Account) -> str:
        return self.head + "".join(self.account.format(name=account.name, secret=account.secret) for account in accounts)

    def __str__(self) -> str:
        return f"{self.kind}-{self.file}"


RELOAD = "module reload res_pjsip.so"
STYLES = [
    Style(CHAN_SIP_16, "sip.conf", SIP_CONF, SIP_ACCOUNT, "sip reload"),
    *(Style(kind, "pjsip.conf", PJSIP_CONF, PJSIP_ACCOUNT, RELOAD) for kind in (PJSIP_16, PJSIP_22)),
    *(Style(kind, "pjsip_wizard.conf", WIZARD_CONF, WIZARD_ACCOUNT, RELOAD) for kind in (PJSIP_16, PJSIP_22)),
]


class Ground:
    """An edge that reads a folder, before an Asterisk whose own file includes the one there."""

    def __init__(self, lab: Lab, style: Style) -> None:
        self.style = style
        self.folder = lab.new_folder("etc")
        self.write(FIRST, SECOND)
        seen = f"{MOUNTED}/{self.folder.relative_to(lab.folder)}/{style.file}"
        more: Mapping[str, str] = {style.file: f"#include {seen}\n"}
        if style.file == "pjsip_wizard.conf":
            more = {**more, "modules.conf": "load=res_pjsip_config_wizard.so\n"}
        self.site = Site(lab, [style.kind], more=more)
        self.site.settings.schema = None
        text = self.site.settings.text().replace(f"sqlite://{self.site.database}", f"asterisk://{self.folder}")
        self.site.edge = lab.rempart(text)

    @property
    def edge(self) -> Rempart:
        return self.site.edge

    @property
    def path(self) -> Path:
        return self.folder / self.style.file

    def write(self, *accounts: Account, more: str = "") -> None:
        (self.folder / self.style.file).write_text(self.style.text(*accounts) + more)

    def restore(self) -> None:
        """The two accounts as at first, at both."""
        self.write(FIRST, SECOND)
        self.site.asterisk.cli(self.style.reload)
        eventually(lambda: "source" not in self.conditions(), lambda: f"all is read: {self.conditions()}", DEADLINE, every=0.2)

    def registered(self) -> set[str]:
        return {phone["account"] for phone in self.edge.phones()}

    def conditions(self) -> dict[str, str]:
        return {row["kind"]: row["text"] for row in self.edge.status()["conditions"]}


@pytest.fixture(scope="module", params=STYLES, ids=str)
def running(request: pytest.FixtureRequest, lab: Lab) -> Iterator[Ground]:
    ground = Ground(lab, request.param)
    try:
        ground.site.start()
        yield ground
    finally:
        ground.site.stop()


@pytest.fixture
def ground(running: Ground) -> Ground:
    running.restore()
    return running


def within(what: Callable[[], bool], said: str) -> None:
    eventually(what, said, DEADLINE, every=0.2)


def test_phones_register_and_call_each_other(ground: Ground, shelf: Shelf, lab: Lab) -> None:
    caller = shelf.phone().register(FIRST, "udp", lab.domain)
    called = shelf.phone().register(SECOND, "tls", lab.domain)
    eventually(lambda: ground.site.asterisk.registered(SECOND.name), "Asterisk knows the called account")
    caller.dial(f"sip:{SECOND.name}@{lab.domain}")
    called.answer().wait_established()
    caller.wait_established()
    caller.wait_hearing(called.tone)
    called.wait_hearing(caller.tone)
    caller.hang_up()
    called.wait_closed()
    ground.site.wait_idle()


def test_a_wrong_password_and_an_account_of_another_source_are_refused(ground: Ground, lab: Lab) -> None:
    with lab.client("198.18.2.31") as client:
        assert client.register(Account(FIRST.name, "wrong")) == 401
        # Asterisk itself knows it by Realtime, which is not named in the edge's folder.
        assert client.register(lab.accounts["1001"]) == 401


def test_a_changed_password_counts_within_seconds(ground: Ground, lab: Lab) -> None:
    changed = Account(FIRST.name, "another secret")
    with lab.client("198.18.2.32") as first, lab.client("198.18.2.33") as second:
        assert first.register(FIRST) == 200
        assert second.register(SECOND) == 200
        ground.write(changed, SECOND)
        ground.site.asterisk.cli(ground.style.reload)
        within(lambda: ground.registered() == {SECOND.name}, "what the old one let in ends")
        assert first.register(FIRST) == 401
        assert first.register(changed) == 200
        # An account that is gone is refused, and one that has come is served.
        third = Account("1503", "secret-of-1503")
        ground.write(changed, third)
        ground.site.asterisk.cli(ground.style.reload)
        within(lambda: SECOND.name not in ground.registered(), "what is gone ends")
        within(lambda: second.register(third) == 200, "what has come is served")


def test_a_broken_file_ends_nothing_and_is_told_with_its_line(ground: Ground, lab: Lab) -> None:
    with lab.client("198.18.2.34") as client, lab.client("198.18.2.35") as other:
        assert client.register(FIRST) == 200
        ground.write(FIRST, more="[broken\n")
        line = f"{ground.path}:{len(ground.path.read_text().splitlines())}: "
        within(lambda: ground.conditions().get("source", "").startswith(line), "status names the line")
        # Both are served, though the file that is broken has but one of them.
        assert client.register(FIRST) == 200
        assert other.register(SECOND) == 200
        ground.write(FIRST, SECOND)
        within(lambda: "source" not in ground.conditions(), "it is mended")


def test_accounts_are_listed_and_traced_with_their_lines(ground: Ground) -> None:
    done = ground.edge.ask("accounts", "--json")
    assert done.returncode == 0, done.stderr
    assert [row["account"] for row in json.loads(done.stdout)] == [FIRST.name, SECOND.name]
    row = json.loads(ground.edge.ask("accounts", FIRST.name, "--json").stdout)
    assert row["isAccount"] and row["mayRegister"] and row["user"] == FIRST.name
    assert row["source"].startswith(f"{ground.path}:")
    assert row["lookUps"][0]["lookUp"].startswith(f"{ground.path}:")
    assert FIRST.secret not in json.dumps(row)
    none = json.loads(ground.edge.ask("accounts", "phone", "--json").stdout)
    assert not none["isAccount"] and none["why"].startswith("no section of ")


def test_check_live_counts_them(ground: Ground) -> None:
    done = ground.edge.run("check", "--live", "--settings", str(ground.edge.settings))
    assert done.returncode == 0, done.stderr
    assert f"asterisk://{ground.folder}: good: " in done.stdout and "2 accounts" in done.stdout
