"""One lab for the whole run: namespaces, certificate, databases; Asterisks and edges are shared where a module allows it."""

import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from lab.account_sources import AccountSource
from lab.accounts import Account, make_database
from lab.asterisk import CHAN_SIP_16, PJSIP_16, PJSIP_22, Asterisk, Kind
from lab.attack_table import Table
from lab.booted import Machine
from lab.certificates import make_certificate
from lab.clients import clients_of
from lab.installed import Installed
from lab.lanes import Lanes, clear_lane, ground, turn_of
from lab.leaks import LeakWatch, read_by_tls
from lab.namespaces import EDGE_OUTSIDE, Network
from lab.nat import OWN, SHOWN, Nat, nat_on
from lab.old_asterisk import OldAsterisk
from lab.old_versions import OLD_VERSIONS, OldVersion
from lab.peers import Peer
from lab.phones import Phone, Shelf
from lab.rempart import Rempart, Settings, binaries_folder, copy_binaries, make_users
from lab.trunks import TELCO, TRUNKS, Trunk, trunk_configuration, trunk_settings
from lab.waiting import eventually
from lab.workspace import workspace

DOMAIN = "example.test"
LOG_LINES_SHOWN = 40
ACCOUNTS = {str(number): Account(str(number), f"secret-of-{number}") for number in range(1001, 1031)}
PBX_OF = {PJSIP_22: "198.19.0.20", **{kind: "198.19.0.10" for kind in (CHAN_SIP_16, PJSIP_16, *OLD_VERSIONS)}}


class Lab:
    """Everything but the edge and the PBXs, which are made from it."""

    def __init__(self, network: Network, folder: Path) -> None:
        self.network = network
        self.folder = folder
        self.domain = DOMAIN
        self.accounts = ACCOUNTS
        self.binaries = copy_binaries(folder)
        self.certificate, self.key = make_certificate(folder, DOMAIN, [EDGE_OUTSIDE, SHOWN, OWN])
        self.client = clients_of(network, DOMAIN)
        self.in_edge = ["ip", "netns", "exec", network.edge]
        self._made = 0

    def new_folder(self, label: str) -> Path:
        """A folder of its own for each thing made; short, since sockets with a path live there."""
        self._made += 1
        made = self.folder / f"{label}{self._made}"
        made.mkdir()
        made.chmod(0o755)
        return made

    def database(self, schema: str) -> Path:
        path = self.new_folder("db") / "realtime.sqlite3"
        make_database(path, schema, self.accounts.values())
        return path

    def asterisk(
        self,
        kind: Kind | OldVersion,
        place: str,
        database: Path,
        additions: Mapping[str, str],
        accounts: Mapping[str, str] | None = None,
    ) -> Asterisk | OldAsterisk:
        """One at an address that is not started yet, or the stand-in of an old one, which has Realtime alone."""
        if isinstance(kind, OldVersion):
            return OldAsterisk(self.network, kind, place, self.folder, database, additions)
        return Asterisk(self.network, kind, place, self.folder, database, additions, accounts)

    def settings(self, database: Path, schema: str, servers: list[str]) -> Settings:
        return Settings([self.domain, EDGE_OUTSIDE], database, schema, servers, self.certificate, self.key)

    def rempart(self, settings: str) -> Rempart:
        """An edge that is not started yet."""
        return Rempart(self.new_folder("edge"), self.binaries, settings, self.in_edge)


class Site:
    """An edge in front of Asterisks that share one database, as one customer has it."""

    def __init__(
        self,
        lab: Lab,
        kinds: Sequence[Kind | OldVersion],
        trunks: Sequence[Trunk] = (),
        places: Sequence[str] = (),
        more: Mapping[str, str] = MappingProxyType({}),
        source: AccountSource | None = None,
    ) -> None:
        """Where `places` says no other, each Asterisk stands where its kind does; `more` is for its configuration files.

        A `source` has the accounts of one Asterisk, in place of Realtime in SQLite.
        """
        self.lab = lab
        self.trunks = trunks
        self.database = lab.new_folder("db") / "realtime.sqlite3"
        kinds[0].lay(self.database, lab.accounts.values())
        additions = {**trunk_configuration(kinds[0].schema, trunks), **more, **(source.additions(kinds[0]) if source else {})}
        self.asterisks = [
            lab.asterisk(kind, place, self.database, additions, source and source.files(kind))
            for kind, place in zip(kinds, places or [PBX_OF[kind] for kind in kinds], strict=True)
        ]
        self.settings = lab.settings(
            self.database, kinds[0].schema, [asterisk.address for asterisk in self.asterisks]
        )
        self.settings.tables = kinds[0].tables
        self.settings.more = trunk_settings(trunks)
        if source:
            source.lay(self.asterisk, self.settings)
        self.edge = lab.rempart(self.settings.text())

    @property
    def asterisk(self) -> Asterisk | OldAsterisk:
        return self.asterisks[0]

    def start(self) -> None:
        for asterisk in self.asterisks:
            asterisk.start()
        self.edge.start()
        for asterisk in self.asterisks:
            eventually(
                lambda seen=asterisk: self.edge.asterisk_state(seen.address) == "up",
                lambda seen=asterisk: f"{seen.address} seen as up: {self.edge.status()}",
                seconds=20,
            )

    def wait_landed(self, trunk: Trunk, caller: str, number: str) -> None:
        """Waits until the trunk's own part of the dialplan tells of a call."""
        line = f"landed in {trunk.context} from {caller} for {number}\n"
        eventually(lambda: line in self.asterisk.news(), lambda: f"{line!r} in Asterisk's log:\n{self.asterisk.news()}")

    def wait_idle(self) -> None:
        """Waits until nobody knows of a call any more."""
        eventually(lambda: self.asterisk.channels() == 0, "Asterisk has ended the call")
        eventually(lambda: self.edge.calls() == [], lambda: f"the edge knows of no call: {self.edge.calls()}")

    def call_out(self, shelf: Shelf, trunk: Trunk, number: str = "30555") -> Phone:
        """A phone of account 1001 that calls a number at a provider, by its Asterisk's dialplan."""
        phone = shelf.phone().register(self.lab.accounts["1001"], "udp", self.lab.domain)
        return phone.dial(f"sip:{trunk.digits}{number}@{self.lab.domain}")

    def stop(self) -> None:
        self.edge.destroy()
        for asterisk in self.asterisks:
            asterisk.stop()


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Table(), Table.NAME)
    # A plain kill must tear the lab down as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated", returncode=143))


started_lanes: list[str] = []


def pytest_xdist_newgateway(gateway) -> None:
    started_lanes.append(gateway.id)


def pytest_unconfigure() -> None:
    for lane in started_lanes:
        clear_lane(lane)


def pytest_xdist_make_scheduler(config: pytest.Config, log) -> Lanes:
    return Lanes(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # A run without lanes goes through the files by name.
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: turn_of(item.nodeid))


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    assert (binaries_folder() / "rempart").exists(), f"no binaries in {binaries_folder()}: build first, or set REMPART_BIN"
    make_users()
    with workspace(ground()) as (network, folder):
        yield Lab(network, folder)


@pytest.fixture(scope="module", autouse=True)
def nothing_of_the_inside_leaves(request: pytest.FixtureRequest) -> Iterator[None]:
    """Looks at every packet that leaves while a module's tests run, and fails its last one for what must not leave."""
    if not any(item.module is request.module and "lab" in item.fixturenames for item in request.session.items):
        # The demo brings its own ground.
        yield
        return
    with LeakWatch(request.getfixturevalue("lab").network) as watch:
        yield
    leaks = watch.leaks + read_by_tls
    assert leaks == [], f"{len(leaks)} lines tell of the inside: {leaks[:10]}"


@pytest.fixture(scope="module")
def nat(lab: Lab) -> Iterator[Nat]:
    """A NAT before the edge."""
    with nat_on(lab.network) as ground:
        yield ground


@pytest.fixture(scope="session")
def installed() -> Iterator[Installed]:
    """Rempart, installed on a machine that systemd has booted; on ground of its own, beside the lab's."""
    with workspace(ground("booted")) as (network, folder):
        machine = Machine(network, folder).boot()
        try:
            edge = Installed(machine, DOMAIN, ACCOUNTS)
            edge.install()
            yield edge
        finally:
            machine.power_off()


class Stage:
    """Holds at most one running site, since all have the same addresses; tests of a module share it."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.current: Site | None = None

    def site(self, kinds: Sequence[Kind | OldVersion], trunks: Sequence[Trunk] = ()) -> Site:
        """The running site with these trunks and Asterisks of these kinds; a new one when another stands there."""
        current = self.current
        if current and [asterisk.kind for asterisk in current.asterisks] == list(kinds) and current.trunks == trunks:
            return current
        self.clear()
        self.current = Site(self.lab, kinds, trunks)
        self.current.start()
        return self.current

    def clear(self) -> None:
        if self.current:
            self.current.stop()
            self.current = None


@pytest.fixture(scope="module")
def stage(lab: Lab) -> Iterator[Stage]:
    stage = Stage(lab)
    yield stage
    stage.clear()


@pytest.fixture(scope="module", params=[CHAN_SIP_16, PJSIP_16, PJSIP_22], ids=str)
def each_kind(request: pytest.FixtureRequest) -> Kind:
    """Of module scope, so that pytest runs all tests of one kind together."""
    return request.param


@pytest.fixture(scope="module", params=[CHAN_SIP_16, PJSIP_16, PJSIP_22, *OLD_VERSIONS], ids=str)
def each_version(request: pytest.FixtureRequest) -> Kind | OldVersion:
    """The same with the old ones, whose stand-ins have no trunks and no command line."""
    return request.param


@pytest.fixture
def any_version_site(stage: Stage, each_version: Kind | OldVersion) -> Site:
    """The same test in front of each Asterisk, and of the stand-in of each old one."""
    return stage.site([each_version])


@pytest.fixture
def service(installed: Installed) -> Installed:
    """The same, running as it should, whatever the test before has left."""
    installed.restore()
    return installed


@pytest.fixture
def any_site(stage: Stage, each_kind: Kind) -> Site:
    """The same test in front of each Asterisk."""
    return stage.site([each_kind])


@pytest.fixture
def site(stage: Stage) -> Site:
    """One edge in front of Asterisk 16 with chan_sip, shared by the tests of a module."""
    return stage.site([CHAN_SIP_16])


@pytest.fixture
def any_trunk_site(stage: Stage, each_kind: Kind) -> Site:
    """An edge with the lab's trunks, in front of each Asterisk."""
    return _with_trunks(stage, each_kind)


@pytest.fixture
def trunk_site(stage: Stage) -> Site:
    """The same in front of Asterisk 16 with chan_sip."""
    return _with_trunks(stage, CHAN_SIP_16)


@pytest.fixture
def telco(lab: Lab, trunk_site: Site) -> Iterator[Peer]:
    """The first server of the provider that is known by its address alone."""
    with Peer(lab.network, TELCO.servers[0]) as provider:
        yield provider


def _with_trunks(stage: Stage, kind: Kind) -> Site:
    if stage.current and (stage.current.asterisk.channels() or stage.current.edge.calls()):
        # A test that failed has left a call, which the next one would stumble over.
        stage.clear()
    site = stage.site([kind], TRUNKS)
    site.asterisk.mark_log()
    return site


@pytest.fixture
def shelf(lab: Lab) -> Iterator[Shelf]:
    """Phones for one test, switched off after it."""
    shelf = Shelf(lab.network, lab.new_folder("phones"), lab.certificate)
    yield shelf
    shelf.clear()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A failure shows the newest lines of the edge's log: the reason is mostly there."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for name, value in getattr(item, "funcargs", {}).items():
            if name == "installed":
                report.sections.append(("the unit and its journal", value.story()))
            edge = value.edge if isinstance(value, Site) else value
            if isinstance(edge, Rempart):
                report.sections.append(("rempart's log", "\n".join(edge.log().splitlines()[-LOG_LINES_SHOWN:])))
