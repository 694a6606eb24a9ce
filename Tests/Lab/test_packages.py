"""The Debian package on a machine that systemd has booted: installed, upgraded while people talk, removed, purged."""

from collections.abc import Iterator

import pytest
from conftest import ACCOUNTS, DOMAIN
from lab.accounts import PJSIP, make_database
from lab.asterisk import ECHO, PJSIP_22, Asterisk
from lab.booted import SEEN_SHARED, Machine
from lab.installed import DATABASE, SETTINGS, Installed
from lab.namespaces import EDGE_OUTSIDE
from lab.packaged import make_package, successor
from lab.phones import Phone, Shelf
from lab.lanes import ground
from lab.rempart import CHECKOUT
from lab.waiting import eventually
from lab.workspace import workspace

PBX = "198.19.0.10"
PLACES = ["/etc/rempart", "/var/lib/rempart", "/usr/libexec/rempart", "/usr/share/doc/rempart", "/usr/sbin/rempart"]


class Packaged(Installed):
    """Rempart as apt installs it; it has three packages of the same programs, each newer than the one before."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine, DOMAIN, ACCOUNTS)
        folder = machine.shared / "packages"
        first = make_package(folder)
        self.versions = [first, successor(first, "0.1.0+1"), successor(first, "0.1.0+2")]

    def install(self, version: int = 0) -> str:
        """What apt says."""
        seen = f"{SEEN_SHARED}/packages/{self.versions[version].name}"
        return self.machine.do("apt-get", "-q", "-y", "--allow-downgrades", "install", seen)

    def purge(self) -> str:
        """What dpkg says, whether anything was installed or not."""
        return self.machine.do("dpkg", "--purge", "rempart")

    def conditions(self) -> list[str]:
        """The kinds of what is wrong."""
        return [each["kind"] for each in self.rows("status")["conditions"]]


def gone(edge: Packaged) -> bool:
    """Whether no place of the package is there any more."""
    return edge.machine.run("ls", "-d", *PLACES).stdout.count("No such file") == len(PLACES)


@pytest.fixture(scope="module")
def debian() -> Iterator[Packaged]:
    with workspace(ground("packaged")) as (network, folder):
        machine = Machine(network, folder).boot()
        try:
            yield Packaged(machine)
        finally:
            machine.power_off()


@pytest.fixture
def bare(debian: Packaged) -> Packaged:
    """The machine without Rempart, and without anything of it."""
    debian.purge()
    debian.mark()
    return debian


@pytest.fixture
def edge(debian: Packaged) -> Packaged:
    """The first version, running as it should."""
    debian.install()
    debian.restore()
    return debian


def test_an_installation_names_the_next_step_and_starts_nothing(bare: Packaged) -> None:
    said = [line for line in bare.install().splitlines() if line.startswith("rempart:")]
    assert len(said) == 1 and f"cp /usr/share/doc/rempart/examples/rempart.yaml {SETTINGS}" in said[0], said
    assert "systemctl enable --now rempart" in said[0]
    assert bare.machine.do("ls", "/etc/rempart") == "", "no settings are shipped"
    assert bare.unit("ActiveState") == "inactive" and bare.unit("UnitFileState") == "disabled"
    assert bare.unit("UnitFileState", "rempart.socket") == "disabled"
    assert "Rempart serves" in bare.machine.do("journalctl", "--list-catalog")


def test_a_start_without_settings_is_no_failure_and_status_and_check_name_what_is_missing(bare: Packaged) -> None:
    bare.install()
    bare.machine.do("systemctl", "start", "rempart.service", "rempart.socket")
    status = bare.systemctl("status", "rempart")
    assert f"ConditionPathExists={SETTINGS}" in status and "examples/rempart.yaml" in status, status
    assert bare.unit("ActiveState") == "inactive" and bare.unit("ActiveState", "rempart.socket") == "inactive"
    check = bare.machine.run("rempart", "check")
    assert check.returncode == 1 and "copy /usr/share/doc/rempart/examples/rempart.yaml there" in check.stdout
    # As the line of the installation says, with the settings of this machine.
    bare.machine.do("cp", "/usr/share/doc/rempart/examples/rempart.yaml", SETTINGS)
    bare.restore()
    eventually(lambda: bare.register() == 200, bare.story)


@pytest.fixture
def asterisk(edge: Packaged) -> Iterator[Asterisk]:
    """An Asterisk 22 with the accounts of the edge's database."""
    shared = edge.machine.shared
    database = shared / "pjsip.sqlite3"
    if not database.exists():
        make_database(database, PJSIP, ACCOUNTS.values())
    edge.machine.do("systemctl", "stop", "rempart")
    edge.machine.do("install", "-m", "0644", f"{SEEN_SHARED}/{database.name}", DATABASE)
    asterisk = Asterisk(edge.machine.network, PJSIP_22, PBX, shared, database).start()
    edge.machine.do("systemctl", "start", "rempart")
    yield asterisk
    asterisk.stop()


@pytest.fixture
def phones(edge: Packaged) -> Iterator[Shelf]:
    folder = edge.machine.shared / "phones"
    folder.mkdir(exist_ok=True)
    shelf = Shelf(edge.machine.network, folder, edge.machine.shared / "edge.crt")
    yield shelf
    shelf.clear()


def test_calls_and_bindings_outlive_an_upgrade(edge: Packaged, asterisk: Asterisk, phones: Shelf) -> None:
    def echo_call(account: str) -> Phone:
        phone = phones.phone().register(ACCOUNTS[account], "udp", DOMAIN)
        return phone.dial(f"sip:{ECHO}@{DOMAIN}").wait_established().wait_hearing(phone.tone)

    one, other = echo_call("1001"), echo_call("1002")
    assert edge.phones() == ["1001", "1002"]
    before = edge.unit("MainPID")
    said = edge.install(1)
    assert not [line for line in said.splitlines() if line.startswith("rempart:")], said
    assert edge.unit("MainPID") not in (before, "0")
    edge.wait_active()
    assert edge.phones() == ["1001", "1002"] and "programs" not in edge.conditions()
    assert one.hears(one.tone) and other.hears(other.tone)
    assert not one.seen("CALL_CLOSED") and not other.seen("CALL_CLOSED")
    # A BYE arrives in either direction.
    one.hang_up().wait_closed()
    eventually(lambda: asterisk.channels() == 1, "Asterisk has heard of the hanging up")
    asterisk.cli("channel request hangup all")
    other.wait_closed()
    eventually(lambda: asterisk.channels() == 0, "Asterisk has ended the other call")
    # A new call goes through the new version.
    one.dial(f"sip:{ECHO}@{DOMAIN}")
    one.wait("CALL_ESTABLISHED", count=2)


def test_an_upgrade_without_a_restart_is_told_before_a_new_program_is_started(edge: Packaged) -> None:
    # As an administrator forbids apt to restart services.
    edge.machine.do("install", "-m", "0755", "/dev/stdin", "/usr/sbin/policy-rc.d", text="#!/bin/sh\nexit 101\n")
    try:
        before = edge.unit("MainPID")
        edge.install(1)
    finally:
        edge.machine.do("rm", "/usr/sbin/policy-rc.d")
    assert edge.unit("MainPID") == before
    edge.machine.run("rempart", "restart", "sip-router")
    told = edge.records("MESSAGE_ID=5b0d2c7a41f34c0e9c1e3c6f0a7d1080")
    assert len(told) == 1 and "systemctl restart rempart" in told[0]["MESSAGE"], edge.story()
    started = edge.records("MESSAGE_ID=5b0d2c7a41f34c0e9c1e3c6f0a7d1004", "REMPART_COMPONENT=sip-router")
    assert int(told[0]["__REALTIME_TIMESTAMP"]) < int(started[-1]["__REALTIME_TIMESTAMP"])
    assert "programs" in edge.conditions()
    assert edge.machine.run("rempart", "status", "--check").returncode == 1
    edge.machine.do("systemctl", "restart", "rempart")
    assert "programs" not in edge.conditions()


def test_an_upgrade_of_a_stopped_edge_starts_nothing(edge: Packaged) -> None:
    edge.machine.do("systemctl", "stop", "rempart")
    edge.install(2)
    assert edge.unit("ActiveState") == "inactive"


def test_an_edge_that_its_new_version_cannot_start_is_told(edge: Packaged) -> None:
    edge.machine.write(SETTINGS, edge.settings().replace("domains:", "domainz:"))
    said = edge.install(1)
    assert "rempart: the edge does not run: systemctl status rempart" in said, said


def test_an_edge_that_systemd_tries_again_and_again_is_told(edge: Packaged) -> None:
    machine, taken = edge.machine, f"{EDGE_OUTSIDE}:5070"
    machine.do("systemd-run", "--unit=taker", "systemd-socket-activate", f"--listen={taken}", "/bin/true")
    try:
        eventually(lambda: "5070" in machine.do("ss", "-Hltn"), "the port is taken")
        machine.write(SETTINGS, edge.settings(outside=f"[udp://{EDGE_OUTSIDE}:5060, tcp://{taken}, tls://{EDGE_OUTSIDE}:5061]"))
        said = edge.install(1)
        assert edge.unit("ActiveState") == "activating", edge.story()
        assert "rempart: the edge does not run: systemctl status rempart" in said, said
        assert "nothing is started" not in said
    finally:
        machine.run("systemctl", "stop", "taker")


def test_the_package_takes_over_from_make_install(bare: Packaged) -> None:
    said = Installed.install(bare).splitlines()[-1]
    assert f"Next: cp /usr/share/doc/rempart/examples/rempart.yaml {SETTINGS}" in said, "both ways say the same"
    assert bare.machine.do("ls", "/etc/rempart") == ""
    bare.restore()
    assert bare.register() == 200
    bare.wait_kept("1001")
    before = bare.unit("MainPID")
    bare.install()
    assert bare.unit("MainPID") not in (before, "0")
    eventually(lambda: bare.phones() == ["1001"], bare.story)
    bare.purge()
    assert gone(bare)


def test_what_is_removed_acts_no_more_and_what_is_purged_leaves_nothing_but_users(edge: Packaged) -> None:
    machine = edge.machine
    machine.do("systemctl", "enable", "rempart")
    machine.do("rempart", "ban", "192.0.2.66")
    eventually(lambda: "192.0.2.66" in machine.do("nft", "list", "table", "inet", "rempart"), edge.story)
    machine.shell("nft add table inet rempart-second; nft add table inet rempartners")
    machine.do("apt-get", "-q", "-y", "remove", "rempart")
    assert machine.run("bash", "-c", "grep -lx supervisor /proc/[0-9]*/comm").stdout == ""
    assert edge.unit("ActiveState") == "inactive"
    tables = machine.do("nft", "list", "tables", "inet")
    assert "rempartners" in tables and "rempart\n" not in tables and "rempart-second" not in tables
    assert machine.do("ls", SETTINGS, "/var/lib/rempart/secret")
    assert "system users rempart-* stay" in edge.purge()
    for _ in range(2):
        assert gone(edge)
        assert machine.run("test", "-L", "/etc/systemd/system/multi-user.target.wants/rempart.service").returncode == 1
        assert machine.do("getent", "passwd", "rempart-sip")
        # Nothing is left to do, and it is no failure.
        edge.purge()
    machine.do("nft", "delete", "table", "inet", "rempartners")


def test_without_nft_a_removal_succeeds_and_says_what_stays_in_the_kernel(edge: Packaged) -> None:
    machine = edge.machine
    machine.do("mv", "/usr/sbin/nft", "/usr/sbin/nft.away")
    try:
        said = machine.do("apt-get", "-q", "-y", "purge", "rempart")
    finally:
        machine.do("mv", "/usr/sbin/nft.away", "/usr/sbin/nft")
    assert "there is no nft" in said and "next boot" in said
    assert gone(edge)
    machine.run("nft", "delete", "table", "inet", "rempart")
