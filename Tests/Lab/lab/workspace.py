"""The ground a run stands on: its namespaces and its folder, held by one run at a time and cleared afterwards.

What a crashed run left behind is cleared by the next run of the same checkout.
"""

import contextlib
import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .namespaces import Network


class Busy(Exception):
    """Another run of this checkout is still on."""


@contextlib.contextmanager
def workspace(name: str, with_host: bool = False) -> Iterator[tuple[Network, Path]]:
    """Namespaces and an empty folder that everybody may enter; both vanish at the end."""
    network = Network(name)
    with Path(f"/run/lock/{network.prefix}lab").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy(f"another run for {name} is still on (it holds {lock.name})") from error
        for stale in Path(tempfile.gettempdir()).glob(f"{network.prefix}*"):
            shutil.rmtree(stale)
        folder = Path(tempfile.mkdtemp(prefix=network.prefix))
        folder.chmod(0o755)
        try:
            network.make(with_host)
            yield network, folder
        finally:
            network.remove()
            shutil.rmtree(folder, ignore_errors=True)
