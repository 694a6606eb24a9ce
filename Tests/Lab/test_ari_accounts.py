"""Accounts asked from Asterisk itself (`ari://`), with and without its manager interface (`accounts.ami`)."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import PBX_OF, Lab, Site
from lab import ari
from lab.account_sources import PJSIP_CONF, SIP_CONF, WIZARD_CONF, FileStyle
from lab.accounts import Account
from lab.asterisk import CHAN_SIP_16, PJSIP_16, PJSIP_22, Kind
from lab.rempart import Rempart
from lab.waiting import eventually

STATIC, WIZARD = Account("1501", "secret-of-1501"), Account("1601", "secret-of-1601")
# Its access list permits the phones of 198.18.2.0/24 alone.
LISTED = Account("1701", "secret-of-1701")
ACCESS = f"[{LISTED.name}](+)\ndeny=0.0.0.0/0\npermit=198.18.2.0/24\npermit=198.19.0.1\n"
# Promised are 5 s with the manager interface; a look at an Asterisk that was away comes within 10 s.
DEADLINE, BACK = 15.0, 30.0


@dataclass(frozen=True)
class Style:
    """Which Asterisk is asked, and whether its manager interface is too."""

    kind: Kind
    has_manager: bool

    def __str__(self) -> str:
        return f"{self.kind}{'-ami' if self.has_manager else ''}"


class Ground:
    """An edge before an Asterisk that tells it the accounts."""

    def __init__(self, lab: Lab, style: Style) -> None:
        self.lab, self.style = lab, style
        self.address = PBX_OF[style.kind]
        more = ari.additions(style.kind, self.address)
        more |= {file.file: file.text for file in [self.file, *([WIZARD_CONF] if self.is_pjsip else [])]}
        self.site = Site(lab, [style.kind], more=more)
        if self.is_pjsip:
            # Where Realtime is asked first, no list of a file is certain.
            sorcery = self.site.asterisk.folder / "sorcery.conf"
            head, *lines = sorcery.read_text().split("\n")
            sorcery.write_text("\n".join([head, *sorted(lines, key=lambda line: "=realtime," in line)]))
        self.lay(STATIC)
        self.secret = lab.new_folder("secret") / "secret"
        ari.write_secret(self.secret)
        if self.is_pjsip:
            self.site.settings.schema = None
        ari.point(self.site.settings, self.secret, self.address, style.has_manager)
        self.site.edge = lab.rempart(self.site.settings.text())

    @property
    def is_pjsip(self) -> bool:
        return self.style.kind.schema != CHAN_SIP_16.schema

    @property
    def file(self) -> FileStyle:
        return PJSIP_CONF if self.is_pjsip else SIP_CONF

    @property
    def edge(self) -> Rempart:
        return self.site.edge

    @property
    def accounts(self) -> list[Account]:
        """One of each place that Asterisk has accounts in and that is told."""
        return [STATIC, WIZARD, self.lab.accounts["1001"]] if self.is_pjsip else [STATIC]

    def lay(self, static: Account | None) -> None:
        """Writes the accounts in files, the one of the driver's own file as it is given, if it is."""
        folder = self.site.asterisk.folder
        self.file.write(folder, [*([static] if static else []), LISTED])
        with (folder / self.file.folder / f"{LISTED.name}.conf").open("a") as listed:
            listed.write(ACCESS)
        if self.is_pjsip:
            WIZARD_CONF.write(folder, [WIZARD])

    def write(self, static: Account) -> None:
        """Has the static account otherwise, and Asterisk read it."""
        self.lay(static)
        self.site.asterisk.cli("module reload res_pjsip.so" if self.is_pjsip else "module reload chan_sip.so")

    def conditions(self) -> str:
        return ari.conditions(self.edge)

    def registered(self) -> set[str]:
        return {phone["account"] for phone in self.edge.phones()}

    def row(self, name: str) -> dict:
        return json.loads(self.edge.ask("accounts", name, "--json").stdout)


STYLES = [Style(kind, has_manager) for kind in (PJSIP_16, PJSIP_22) for has_manager in (False, True)]
STYLES.append(Style(CHAN_SIP_16, has_manager=True))


@pytest.fixture(scope="module", params=STYLES, ids=str)
def ground(request: pytest.FixtureRequest, lab: Lab) -> Iterator[Ground]:
    ground = Ground(lab, request.param)
    try:
        ground.site.start()
        yield ground
    finally:
        ground.site.stop()


def within(what: Callable[[], bool], said: Callable[[], str], seconds: float = DEADLINE) -> None:
    eventually(what, said, seconds, every=0.2)


def test_accounts_of_every_place_register_with_their_passwords_and_with_no_other(ground: Ground, lab: Lab) -> None:
    for number, account in enumerate(ground.accounts):
        with lab.client(f"198.18.2.{10 + number}") as client:
            assert client.register(Account(account.name, "wrong")) == 401, account
            assert client.register(account) == 200, (account, ground.edge.log())
        row = ground.row(account.name)
        assert row["isAccount"] and row["mayRegister"] and row["user"] == account.name, row
        assert account.secret not in json.dumps(row)
    with lab.client("198.18.2.20") as client:
        assert client.register(Account("nobody", "wrong")) == 401


def test_the_accounts_are_listed(ground: Ground) -> None:
    done = ground.edge.ask("accounts", "--json")
    assert done.returncode == 0, done.stderr
    listed = {row["account"] for row in json.loads(done.stdout)}
    # Of Realtime ARI lists those alone that were asked for.
    assert listed >= {STATIC.name, LISTED.name}, listed
    if ground.is_pjsip and ground.style.has_manager:
        assert listed >= ground.lab.accounts.keys() | {WIZARD.name}, listed


def test_an_access_list_holds_where_it_can_be_read_and_lets_nobody_in_where_not(ground: Ground, lab: Lab) -> None:
    with lab.client("198.18.2.30") as within_list, lab.client("198.18.1.30") as outside:
        assert outside.register(LISTED) != 200
        status = within_list.register(LISTED)
    if ground.style.has_manager:
        assert status == 200
        return
    assert status != 200
    assert "lets nobody in" in ground.row(LISTED.name)["access"] or ground.row(LISTED.name)["access"] == "nobody"
    within(
        lambda: f"account {LISTED.name}" in ground.conditions() and "accounts.ami" in ground.conditions(),
        lambda: f"status names it and what to do: {ground.conditions()}",
    )
    assert f"account {LISTED.name} can be used from nowhere" in ground.edge.log()


def test_a_changed_password_counts_after_asterisks_reload(ground: Ground, lab: Lab) -> None:
    if not ground.style.has_manager:
        pytest.skip("without the manager interface it takes a round, which is a minute")
    changed = Account(STATIC.name, "another secret")
    with lab.client("198.18.2.31") as client:
        assert client.register(STATIC) == 200
        ground.write(changed)
        try:
            within(lambda: STATIC.name not in ground.registered(), lambda: f"what the old one let in ends:\n{ground.edge.log()}")
            assert client.register(changed) == 200
        finally:
            ground.write(STATIC)
        within(lambda: client.register(STATIC) == 200, lambda: "it is as it was")


def test_known_phones_register_while_asterisk_restarts(ground: Ground, lab: Lab) -> None:
    account = ground.accounts[0]
    with lab.client("198.18.2.32") as client:
        assert client.register(account) == 200
        ground.site.asterisk.stop()
        try:
            assert client.register(account) == 200
            assert account.name in ground.registered()
        finally:
            ground.site.asterisk.start()
        assert client.register(account) == 200
    other = ground.accounts[-1]
    with lab.client("198.18.2.33") as client:
        # As long as nothing can be read, a name that nobody knows gets 503.
        unknown = Account("nobody", "wrong")
        within(lambda: client.register(unknown) == 401, lambda: f"all is read again:\n{ground.conditions()}", BACK)
        assert client.register(other) == 200


def test_a_login_that_asterisk_refuses_is_told_and_ends_nothing(ground: Ground, lab: Lab) -> None:
    account = ground.accounts[0]
    with lab.client("198.18.2.34") as client:
        assert client.register(account) == 200
        ari.write_secret(ground.secret, "wrong")
        try:
            ground.edge.ask("reload")
            within(lambda: "refuses the login" in ground.conditions(), lambda: f"it is told: {ground.conditions()}", BACK)
            assert client.register(account) == 200
        finally:
            ari.write_secret(ground.secret)
            ground.edge.ask("reload")
        within(lambda: "refuses the login" not in ground.conditions(), lambda: f"it is mended: {ground.conditions()}", BACK)


def test_check_live_reads_them(ground: Ground) -> None:
    done = ground.edge.run("check", "--live", "--settings", str(ground.edge.settings))
    assert done.returncode == 0, done.stderr
    assert f"ari://{ground.address}:8088: good: {ground.style.kind.schema}, " in done.stdout, done.stdout


def test_the_password_stands_in_no_command_line_no_environment_and_no_record(ground: Ground) -> None:
    for pid in ground.edge.pids():
        for name in ("cmdline", "environ"):
            assert ari.PASSWORD.encode() not in Path(f"/proc/{pid}/{name}").read_bytes()
    assert ari.PASSWORD not in ground.edge.log()
