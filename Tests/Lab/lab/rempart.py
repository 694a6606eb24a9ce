"""The edge under test: its settings written, its daemon run in a namespace, its command line asked."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .namespaces import EDGE_INSIDE, EDGE_OUTSIDE, command, host
from .waiting import eventually

COMPONENTS = ["tls-terminator", "sip-router", "accounts-reader", "directory", "banner"]
BINARIES = ["rempart", "supervisor", *COMPONENTS]
CHECKOUT = Path(__file__).resolve().parents[3]
READY_SECONDS = 10


def binaries_folder() -> Path:
    """Where the built binaries are; REMPART_BIN says so, else they are where `make build` leaves them."""
    return Path(os.environ.get("REMPART_BIN") or CHECKOUT / ".build/release")


def copy_binaries(folder: Path) -> Path:
    """Copies the binaries where every user may run them, as an installation does; a checkout may be private to its owner."""
    source, target = binaries_folder(), folder / "bin"
    target.mkdir()
    for name in BINARIES:
        shutil.copy(source / name, target / name)
        (target / name).chmod(0o755)
    target.chmod(0o755)
    return target


def resident_mib(pid: int) -> float:
    """How much memory a process has at hand."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def make_users() -> None:
    """The system users the children drop to, as an installation makes them."""
    command(str(CHECKOUT / "scripts/make-users.sh"))


@dataclass
class Settings:
    """What a user would write, with the lab's addresses; a schema of None is found by looking."""

    domains: list[str]
    database: Path
    schema: str | None
    servers: list[str]
    certificate: Path
    key: Path
    outside: str = EDGE_OUTSIDE
    shown: str = ""
    inside: str = EDGE_INSIDE
    port: int = 5060
    inside_port: int = 5060
    # Further addresses of the edge toward Asterisks.
    more_insides: list[str] = field(default_factory=list)
    pbx_port: int = 5060
    algorithms: list[str] = field(default_factory=list)
    tables: Mapping[str, str] = field(default_factory=dict)
    # What stands for the database, where it is no SQLite file: the source's URL, and further keys of `accounts`.
    source: str = ""
    login: Mapping[str, str] = field(default_factory=dict)
    defence: dict[str, str] = field(default_factory=dict)
    # The accounts that may show callers of their own.
    callers: list[str] = field(default_factory=list)
    more: str = ""

    def text(self) -> str:
        shown = f" as {self.shown}" if self.shown else ""
        lines = [
            f"domains: [{', '.join(self.domains)}]",
            "outside:",
            f"  - udp://{self.outside}:{self.port}{shown}",
            f"  - tcp://{self.outside}:{self.port}{shown}",
            f"  - tls://{self.outside}:{self.port + 1}{shown}",
            "inside:",
            *(f'  - "udp://{host(inside)}:{self.inside_port}"' for inside in [self.inside, *self.more_insides]),
            "asterisk:",
            "  servers:",
            *(f'    - "{host(server)}:{self.pbx_port}"' for server in self.servers),
            "accounts:",
            f"  source: {self.source or f'sqlite://{self.database}'}",
            *(f"  {name}: {value}" for name, value in self.login.items()),
            *([f"  schema: {self.schema}"] if self.schema else []),
            *([f"  algorithms: [{', '.join(self.algorithms)}]"] if self.algorithms else []),
            *(["  tables:"] + [f"    {name}: {own}" for name, own in self.tables.items()] if self.tables else []),
            *(["  callers:"] + [f"    \"{name}\": any" for name in self.callers] if self.callers else []),
            "tls:",
            f"  certificate: {self.certificate}",
            f"  key: {self.key}",
        ]
        if self.defence:
            lines += ["defence:"] + [f"  {name}: {value}" for name, value in self.defence.items()]
        return "\n".join(lines) + "\n" + self.more


class Rempart:
    """One edge with folders of its own; `prefix` is put before every command (a namespace, another user)."""

    def __init__(self, folder: Path, binaries: Path, settings: str, prefix: list[str]) -> None:
        self.folder = folder
        self.binaries = binaries
        folder.mkdir(parents=True, exist_ok=True)
        self.settings = folder / "rempart.yaml"
        self.write_settings(settings)
        self.state, self.runtime = folder / "state", folder / "run"
        self.state.mkdir(exist_ok=True)
        self.runtime.mkdir(exist_ok=True)
        self.prefix = prefix
        # Of `rempart run`, beside its folders.
        self.arguments: list[str] = []
        self.process: subprocess.Popen | None = None
        self.log_path = folder / "log"

    def write_settings(self, text: str) -> None:
        self.settings.write_text(text)

    def launch(self, environment: dict[str, str] | None = None, output: int | None = None) -> "Rempart":
        """Starts the daemon and returns at once; its records go to its log, or to a descriptor."""
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, str(self.binaries / "rempart"), "run", "--settings", str(self.settings)]
                + ["--state", str(self.state), "--runtime", str(self.runtime), *self.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log if output is None else output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        return self

    def start(self, environment: dict[str, str] | None = None, output: int | None = None) -> "Rempart":
        """Starts the daemon and waits until every child is ready."""
        self.launch(environment, output)
        try:
            eventually(self._ready, lambda: f"rempart ready; its log:\n{self.log()}", READY_SECONDS)
        except BaseException:
            self.destroy()
            raise
        return self

    def _ready(self) -> bool:
        assert self.process and self.process.poll() is None, f"rempart ended:\n{self.log()}"
        done = self.ask("status", "--json")
        return done.returncode == 0 and json.loads(done.stdout)["state"] == "ready"

    def run(self, *arguments: str, timeout: float = 20) -> subprocess.CompletedProcess:
        """Runs the command line."""
        return subprocess.run(
            [*self.prefix, str(self.binaries / "rempart"), *arguments],
            text=True,
            capture_output=True,
            check=False,
            timeout=timeout,
        )

    def ask(self, *arguments: str) -> subprocess.CompletedProcess:
        """Runs the command line against this daemon."""
        return self.run(*arguments, "--runtime", str(self.runtime))

    def check(self) -> subprocess.CompletedProcess:
        """`rempart check` on the settings as they are now."""
        return self.run("check", "--settings", str(self.settings))

    def _table(self, name: str):
        done = self.ask(name, "--json")
        assert done.returncode == 0, f"rempart {name}: {done.stderr}{done.stdout}\n{self.log()}"
        return json.loads(done.stdout)

    def status(self) -> dict:
        return self._table("status")

    def phones(self, account: str = "") -> list[dict]:
        return [phone for phone in self._table("phones") if not account or phone["account"] == account]

    def bans(self) -> list[dict]:
        return self._table("bans")

    def calls(self) -> list[dict]:
        return self._table("calls")

    def component(self, name: str) -> dict:
        return next(component for component in self.status()["components"] if component["name"] == name)

    def table(self) -> str:
        """The name of its table in the kernel's firewall, which its runtime folder makes (FNV-1a of 32 bits)."""
        number = 0x811C9DC5
        for byte in str(self.runtime.resolve()).encode():
            number = (number ^ byte) * 0x01000193 & 0xFFFFFFFF
        return f"rempart-{self.runtime.name}-{number:x}"

    def nft(self, *words: str) -> str:
        """What nft(8) prints where the edge is; a lone TABLE stands for the edge's own."""
        named = [self.table() if word == "TABLE" else word for word in words]
        return subprocess.run([*self.prefix, "nft", *named], text=True, capture_output=True, check=True).stdout

    def kill_component(self, name: str) -> None:
        """Kills a child with -9 and waits until its successor is ready."""
        before = self.component(name)["pid"]
        os.kill(before, signal.SIGKILL)

        def back() -> bool:
            now = self.component(name)
            return now["pid"] != before and now["state"] == "ready"

        eventually(back, f"{name} is back", every=0.02)

    def asterisk_state(self, address: str) -> str:
        servers = self.status()["asterisk"]
        return next((server["state"] for server in servers if server["address"].startswith(f"{host(address)}:")), "absent")

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def pids(self) -> set[int]:
        """The supervisor and its children, as the daemon itself tells."""
        assert self.process
        return {self.process.pid} | {component["pid"] for component in self.status()["components"]}

    def wait_end(self, seconds: float) -> int:
        """The exit code of a daemon that ends by itself."""
        assert self.process
        return self.process.wait(seconds)

    def stop(self, seconds: float = 10) -> int:
        """Asks it to end and returns its exit code."""
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.destroy()
            raise

    def kill(self) -> None:
        """Kills the daemon's first process alone."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def destroy(self) -> None:
        """Ends whatever is left of it, children that outlived it by mistake too."""
        if self.process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self._remove_table()

    def _remove_table(self) -> None:
        """The table outlives the daemon by design; that of a test's edge would go on dropping for the next one."""
        subprocess.run([*self.prefix, "nft", "delete", "table", "inet", self.table()], capture_output=True, check=False)
