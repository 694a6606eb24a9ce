"""The ground a run stands on: its namespaces and its folder, held by one run at a time and cleared afterwards.

What a crashed run left behind is cleared by the next run of the same checkout.
"""

import contextlib
import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .namespaces import Network, command


class Busy(Exception):
    """Another run of this checkout is still on."""


@contextlib.contextmanager
def _held(network: Network, name: str) -> Iterator[None]:
    """The ground is this run's alone; Busy where it is another's."""
    with Path(f"/run/lock/{network.prefix}lab").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy(f"another run for {name} is still on (it holds {lock.name})") from error
        yield


def _clear(network: Network) -> None:
    """Removes what a run has left that did not come to its end: processes, namespaces, mounts and folders."""
    network.remove()
    left = f"{tempfile.gettempdir()}/{network.prefix}"
    for line in Path("/proc/mounts").read_text().splitlines():
        if (place := line.split()[1]).startswith(left):
            # By force, which lets go of whoever waits for a disk that hangs.
            command("umount", "--force", "--lazy", place)
    for stale in Path(tempfile.gettempdir()).glob(f"{network.prefix}*"):
        shutil.rmtree(stale)


def clear(name: str) -> None:
    """Does that for the ground of this name, unless a run is on there."""
    network = Network(name)
    with contextlib.suppress(Busy), _held(network, name):
        _clear(network)


@contextlib.contextmanager
def workspace(name: str, with_host: bool = False) -> Iterator[tuple[Network, Path]]:
    """Namespaces and an empty folder that everybody may enter; both vanish at the end."""
    network = Network(name)
    with _held(network, name):
        _clear(network)
        folder = Path(tempfile.mkdtemp(prefix=network.prefix))
        folder.chmod(0o755)
        try:
            network.make(with_host)
            yield network, folder
        finally:
            network.remove()
            shutil.rmtree(folder, ignore_errors=True)
