"""`rempart check --live`: the source of the accounts, opened by a real accounts-reader with the reader's own user and rights."""

import contextlib
import ctypes
import os
import re
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from conftest import Lab
from lab.accounts import CHAN_SIP, PJSIP, Account, make_database
from lab.installed import DATABASE, Installed
from lab.rempart import Rempart
from lab.slow_source import SlowFolder, need_fuse
from lab.waiting import eventually

# What each layout needs for the caller that the edge names.
TRUST = {CHAN_SIP: "trustrpid=yes", PJSIP: "trust_id_inbound=yes"}
# A reader that says nothing is given up after 15 s; three times that.
GIVEN_UP = 45
SILENT = "accounts-reader has said nothing for 15 s and was killed"
# Each read of a slow source: it is opened, told and asked in some of them, and not all accounts are looked up in time.
SLOW_READ = 2.0
NOBODY = 65534
MNT_DETACH = 2


class Checked:
    """An edge that is not started, with a database of its own."""

    def __init__(self, lab: Lab, schema: str, accounts: int = 30, folder: Path | None = None) -> None:
        self.database = (folder or lab.new_folder("db")) / "realtime.sqlite3"
        made = (Account(str(number), f"secret-of-{number}") for number in range(1001, 1001 + accounts))
        make_database(self.database, schema, made)
        self.edge = lab.rempart(lab.settings(self.database, schema, ["198.19.0.10"]).text())

    def arguments(self) -> list[str]:
        return ["check", "--live", "--settings", str(self.edge.settings)]

    def live(self) -> subprocess.CompletedProcess:
        return self.edge.run(*self.arguments(), timeout=GIVEN_UP)

    def refused(self) -> str:
        """What it says of a source that cannot be read; the file of settings is good all the same."""
        done = self.live()
        assert done.returncode == 1 and "rempart.yaml: good:" in done.stdout, f"{done.stdout}{done.stderr}"
        return done.stderr.splitlines()[-1]

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Another program has the whole database for itself."""
        with closing(sqlite3.connect(self.database, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            yield

    @contextlib.contextmanager
    def running(self) -> Iterator[tuple[subprocess.Popen, int]]:
        """A check that runs, and its accounts-reader."""
        check = subprocess.Popen(
            [*self.edge.prefix, str(self.edge.binaries / "rempart"), *self.arguments()],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield check, eventually(lambda: reader_of(check.pid), "an accounts-reader is there", every=0.002)
        finally:
            check.kill()
            check.communicate()


def reader_of(pid: int) -> int:
    """The accounts-reader of a check; 0 while there is none."""
    # Its process first runs as a copy of the check itself.
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{child}/exe").endswith("/accounts-reader"):
                return int(child)
    return 0


@contextlib.contextmanager
def seen_folder() -> Iterator[Path]:
    """A folder that no unit hides from the service, unlike those of the lab below /tmp: the check has to spare it itself."""
    with tempfile.TemporaryDirectory(prefix="rempart-lab-", dir="/srv") as made:
        folder = Path(made)
        folder.chmod(0o755)
        yield folder


@contextlib.contextmanager
def dead_mount(folder: Path) -> Iterator[None]:
    """A file system over a folder whose server answers nothing."""
    need_fuse()
    libc = ctypes.CDLL(None, use_errno=True)
    server = os.open("/dev/fuse", os.O_RDWR)
    try:
        options = f"fd={server},rootmode=40000,user_id=0,group_id=0,allow_other"
        done = libc.mount(b"dead", bytes(folder), b"fuse", 0, options.encode())
        assert done == 0, os.strerror(ctypes.get_errno())
        try:
            yield
        finally:
            libc.umount2(bytes(folder), MNT_DETACH)
    finally:
        os.close(server)


def is_running(pid: int) -> bool:
    """Whether a process is there and no corpse."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] not in "ZX"
    except OSError:
        return False


@pytest.mark.parametrize("schema", [CHAN_SIP, PJSIP])
def test_layout_number_of_accounts_and_what_asterisk_needs_are_told(lab: Lab, schema: str) -> None:
    checked = Checked(lab, schema, accounts=100)
    done = checked.live()
    assert done.returncode == 0, done.stderr
    good, source, hint = done.stdout.splitlines()
    assert good.startswith(f"{checked.edge.settings}: good: 2 domains")
    assert source == f"sqlite://{checked.database}: good: {schema}, 100 accounts, read by accounts-reader as rempart-acct"
    assert TRUST[schema] in hint


def test_accounts_that_nobody_can_use_are_named_with_the_remedy(lab: Lab) -> None:
    checked = Checked(lab, CHAN_SIP)
    with closing(sqlite3.connect(checked.database)) as database, database:
        database.execute("INSERT INTO sippeers (name, type, host, secret) VALUES ('2003', 'friend', 'dynamic', '')")
    done = checked.live()
    assert done.returncode == 0 and "31 accounts" in done.stdout
    assert "1 of them can be used by nobody" in done.stderr and "    no account: no secret (2003). Give it" in done.stderr
    assert "secret-of" not in done.stdout + done.stderr


def test_gateways_that_show_callers_are_named(lab: Lab) -> None:
    checked = Checked(lab, PJSIP)
    settings = lab.settings(checked.database, PJSIP, ["198.19.0.10"])
    settings.callers = ["1001"]
    checked.edge.write_settings(settings.text())
    assert "not the callers of 1001" in checked.live().stdout


def test_a_missing_file_is_told_with_its_path(lab: Lab) -> None:
    checked = Checked(lab, PJSIP)
    checked.database.unlink()
    said = checked.refused()
    assert str(checked.database) in said and "name it in accounts.source" in said


def test_a_database_without_the_tables_is_told_with_what_was_looked_for(lab: Lab) -> None:
    checked = Checked(lab, PJSIP)
    checked.database.unlink()
    with closing(sqlite3.connect(checked.database)) as database, database:
        database.execute("CREATE TABLE other (id INTEGER)")
    said = checked.refused()
    assert "ps_endpoints" in said and "accounts" in said


def test_a_locked_database_is_told_with_how_to_find_who_has_it(lab: Lab) -> None:
    checked = Checked(lab, PJSIP)
    with checked.locked():
        said = checked.refused()
    assert "locked by another program" in said and f"fuser -v {checked.database}" in said
    assert checked.live().returncode == 0


def test_wrong_settings_are_told_as_ever_and_nothing_is_opened(lab: Lab) -> None:
    checked = Checked(lab, PJSIP)
    checked.edge.write_settings(checked.edge.settings.read_text() + "colour: red\n")
    done = checked.live()
    assert done.returncode == 1 and done.stdout == "" and done.stderr.endswith(": 1 error\n")


def test_another_user_than_root_is_told_what_to_type(lab: Lab) -> None:
    checked = Checked(lab, PJSIP)
    done = subprocess.run(
        ["setpriv", f"--reuid={NOBODY}", "--clear-groups", str(checked.edge.binaries / "rempart"), *checked.arguments()],
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.endswith(f": sudo rempart check --live --settings {checked.edge.settings}\n")


def test_it_works_beside_the_service_and_leaves_it_as_it_is(lab: Lab) -> None:
    checked = Checked(lab, PJSIP)
    edge: Rempart = checked.edge
    try:
        edge.start()
        before, log = edge.pids(), edge.log()
        assert checked.live().returncode == 0
        assert edge.pids() == before and edge.log() == log
    finally:
        edge.destroy()


def test_a_reader_that_hangs_is_given_up_with_words_that_say_so(lab: Lab) -> None:
    checked = Checked(lab, PJSIP)
    # It waits for the lock until it is stopped.
    with checked.locked(), checked.running() as (check, reader):
        os.kill(reader, signal.SIGSTOP)
        began = time.monotonic()
        _, said = check.communicate(timeout=GIVEN_UP)
        assert check.returncode == 1 and time.monotonic() - began < GIVEN_UP
        assert SILENT in said and str(checked.database) in said
        assert not is_running(reader)


def test_a_file_on_a_mount_that_does_not_answer_is_given_up(lab: Lab) -> None:
    with seen_folder() as folder:
        checked = Checked(lab, PJSIP, folder=folder)
        with dead_mount(folder):
            said = checked.refused()
        assert SILENT in said and "bring it back" in said
        assert checked.live().returncode == 0


def test_a_slow_source_is_opened_and_told_with_how_many_accounts_were_looked_up(lab: Lab) -> None:
    slow = SlowFolder(lab.new_folder("slow"))
    try:
        checked = Checked(lab, PJSIP, folder=slow.path)
        slow.delay(SLOW_READ)
        done = checked.live()
    finally:
        slow.remove()
    assert done.returncode == 0, done.stderr
    told = re.search(r"pjsip, 30 accounts, only (\d+) looked up, read by", done.stdout)
    assert told and int(told[1]) > 0, done.stdout


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGINT])
def test_no_reader_outlives_its_check(lab: Lab, by: signal.Signals) -> None:
    with seen_folder() as folder:
        checked = Checked(lab, PJSIP, folder=folder)
        with dead_mount(folder), checked.running() as (check, reader):
            check.send_signal(by)
            assert check.wait(10) == -by
            eventually(lambda: not is_running(reader), "the reader is gone")


def test_the_remedy_for_a_file_that_the_reader_may_not_read_works_as_it_is_typed(service: Installed) -> None:
    machine, folder = service.machine, os.path.dirname(DATABASE)
    assert "30 accounts" in machine.do("rempart", "check", "--live")
    machine.shell(
        f"chown -R asterisk:asterisk {folder}; chmod 0700 {folder}; chmod 0640 {DATABASE};"
        "for u in rempart-db rempart-acct; do gpasswd --delete $u asterisk; done 2>/dev/null || true"
    )
    # The folder stands before the file: what is in the way is told one after the other.
    for _ in range(2):
        done = machine.run("rempart", "check", "--live")
        if done.returncode == 0:
            break
        command = re.search(r"as root: `(.*)`", done.stdout)
        assert command and "the accounts cannot be read" in done.stdout, done.stdout
        machine.do("bash", "-c", command[1])
    assert "30 accounts" in machine.do("rempart", "check", "--live")
