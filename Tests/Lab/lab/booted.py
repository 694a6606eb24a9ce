"""A Debian that a real systemd has booted, in the edge's namespace, with Rempart installed as an administrator does it.

The root of scripts/roots.sh stays clean: the machine writes to an overlay. The mounts are private to the machine's own
processes, and so vanish with them; and they are killed with the process that has booted them.
"""

import contextlib
import os
import signal
import subprocess
from pathlib import Path

from .asterisk import roots_folder
from .namespaces import Network
from .rempart import CHECKOUT, binaries_folder
from .waiting import eventually

BOOT_SECONDS = 30
OFF_SECONDS = 10
COMMAND_SECONDS = 60
# What the machine sees of this one: the checkout, the built binaries, and a folder that both may write.
SEEN_CHECKOUT, SEEN_BINARIES, SEEN_SHARED = "/checkout", "/binaries", "/shared"
ENVIRONMENT = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", f"REMPART_BIN={SEEN_BINARIES}"]
# The container's own filter knows neither Landlock nor the firewall; a machine has both.
NSPAWN = """
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root" || exit
exec systemd-nspawn -q -D "$2/root" --boot --register=no --keep-unit --link-journal=no --console=passive \
    --network-namespace-path="/run/netns/$3" --machine="$3" --capability=CAP_NET_ADMIN \
    --system-call-filter="landlock_create_ruleset landlock_add_rule landlock_restrict_self" \
    --bind-ro="$4:%s" --bind-ro="$5:%s" --bind="$2/shared:%s"
""" % (SEEN_CHECKOUT, SEEN_BINARIES, SEEN_SHARED)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _is_systemd(pid: int) -> bool:
    """The machine's first process, which nspawn's short-lived helpers beside it are not."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/comm").read_text() == "systemd\n"
    return False


class Machine:
    """One booted Debian; `shared` here is /shared there."""

    def __init__(self, network: Network, folder: Path) -> None:
        self.network = network
        self.folder = folder
        self.shared = folder / "shared"
        self.root = roots_folder() / "debian-12-systemd"
        if not (self.root / "lib/systemd/systemd").exists():
            raise RuntimeError(f"no Debian that boots in {self.root}: run scripts/roots.sh (as root)")
        for name in ["upper", "work", "root", "shared"]:
            (folder / name).mkdir(exist_ok=True)
        self.console = folder / "console"
        self.process: subprocess.Popen | None = None
        self.first = 0

    def boot(self) -> "Machine":
        """Boots it and waits until systemd has started everything."""
        arguments = [self.root, self.folder, self.network.edge, CHECKOUT, binaries_folder().resolve()]
        with self.console.open("ab") as console:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private"]
                + ["sh", "-c", NSPAWN, "sh", *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1", "SYSTEMD_NSPAWN_LOCK": "0"},
                start_new_session=True,
            )
        try:
            eventually(self._is_up, lambda: f"booted; its console:\n{self.console.read_text()}", BOOT_SECONDS)
        except BaseException:
            self.kill()
            raise
        return self

    def _is_up(self) -> bool:
        assert self.process and self.process.poll() is None, f"it ended: {self.console.read_text()}"
        self.first = next(filter(_is_systemd, _children(self.process.pid)), 0)
        return bool(self.first) and self.run("systemctl", "is-system-running").stdout.strip() == "running"

    def run(self, *arguments: str, text: str = "", seconds: float = COMMAND_SECONDS) -> subprocess.CompletedProcess:
        """Runs a command in it, as root at its console would, with `text` for it to read."""
        return subprocess.run(
            ["nsenter", f"--target={self.first}", "--all", "--wdns=/", *ENVIRONMENT, *arguments],
            input=text,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=seconds,
        )

    def do(self, *arguments: str, text: str = "") -> str:
        """Runs a command that must succeed, and returns what it printed."""
        done = self.run(*arguments, text=text)
        assert done.returncode == 0, f"{' '.join(arguments)}: exit {done.returncode}: {done.stdout}"
        return done.stdout

    def shell(self, line: str) -> str:
        """A line for its shell, which must succeed."""
        return self.do("bash", "-ec", line)

    def write(self, path: str, text: str) -> None:
        self.do("install", "-D", "-m", "0644", "/dev/stdin", path, text=text)

    def power_off(self) -> None:
        """Switches it off as an administrator does; pulls the plug when that takes too long."""
        if self.process and self.process.poll() is None and self.first:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.run("systemctl", "poweroff", seconds=OFF_SECONDS)
                self.process.wait(OFF_SECONDS)
        self.kill()

    def kill(self) -> None:
        """Ends whatever is left: when its first process dies, the kernel ends all the others."""
        if self.first and self.process and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.first, signal.SIGKILL)
        if self.process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None
