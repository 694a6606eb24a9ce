"""The lab's lanes: none stands on another's ground, and their table names what there is."""

import subprocess
import tempfile
from pathlib import Path

import pytest
from lab.lanes import LONG, PLACES, SHARES, ground, share_of, turn_of
from lab.namespaces import Network, command
from lab.rempart import CHECKOUT
from lab.slow_source import SlowFolder
from lab.waiting import eventually
from lab.workspace import clear

FILES = {path.name for path in Path(__file__).parent.glob("test_*.py")}


def test_every_lane_has_namespaces_of_its_own_for_every_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    without_lanes = [ground(place) for place in PLACES]
    names = []
    for lane in ("gw0", "gw1", "gw2"):
        monkeypatch.setenv("PYTEST_XDIST_WORKER", lane)
        names += [ground(place) for place in PLACES]
    assert names[: len(PLACES)] == without_lanes
    prefixes = {Network(name).prefix for name in names}
    assert len(prefixes) == len(names)


def test_the_table_of_shares_names_files_that_are_there_each_once() -> None:
    shared = [file for files in SHARES.values() for file in files]
    assert len(set(shared)) == len(shared)
    assert set(shared) <= FILES
    assert set(LONG) <= (FILES - set(shared)) | set(SHARES)


def test_files_of_one_share_begin_together_and_long_shares_before_short_ones() -> None:
    assert share_of("test_oracle.py::test_a[x::y]") == share_of("test_wall.py::test_b") != share_of("test_calls.py::test_c")
    turns = [turn_of(f"{file}::test_d") for file in ("test_wall.py", "test_oracle.py", "test_nat.py", "test_calls.py", "test_bans.py")]
    assert turns[0] == turns[1] < turns[2] < turns[3] == turns[4]


def test_what_a_killed_run_has_left_is_cleared_also_where_a_disk_hangs() -> None:
    name = f"{CHECKOUT}/left"
    network = Network(name)
    clear(name)
    network.make()
    folder = Path(tempfile.mkdtemp(prefix=network.prefix))
    folder.chmod(0o755)
    slow = SlowFolder(folder)
    (slow.path / "file").write_text("text")
    slow.delay(3600)
    reader = subprocess.Popen([
        *("ip", "netns", "exec", network.clients, "setpriv", "--reuid=65534", "--clear-groups", "cat", str(slow.path / "file")),
    ], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    eventually(lambda: Path(f"/proc/{reader.pid}/comm").read_text() == "cat\n", "somebody reads")
    clear(name)
    assert reader.wait(10) != 0
    assert network.prefix not in command("ip", "netns", "list") + Path("/proc/mounts").read_text()
    assert not folder.exists()
    slow.remove()
