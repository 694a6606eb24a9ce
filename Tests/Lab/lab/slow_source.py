"""A folder whose disk is slow, or hangs: a FUSE file system that passes another folder through.

Each read of a file's first page, and each opening, takes as long as the test says. SQLite reads that page once in each
look-up, twice when the file has changed. Root is spared: so the test writes as ever, and accounts-reader waits, which is
not root. The kernel keeps nothing of the files, so each look-up pays. Locks (fcntl) are the kernel's own. They hold
among all programs that use this folder, but not against one that opens what lies below it.

    python3 -m lab.slow_source BELOW FOLDER SECONDS

SECONDS is a file with the number. It is read again while somebody waits, so that a shorter delay frees him.
"""

import errno
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

from .waiting import eventually

FIRST_PAGE = 4096
LOOK_SECONDS = 0.05
LAB = Path(__file__).resolve().parents[1]


def need_fuse() -> None:
    """Skips the test where this machine has no FUSE, as in many containers."""
    # The server, which runs without pytest's module, needs the rest of this file alone.
    import pytest  # noqa: PLC0415

    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("there is no /dev/fuse")


class SlowFolder:
    """A folder that is slow on demand, with what it serves below it; both are made in a new one."""

    def __init__(self, folder: Path) -> None:
        need_fuse()
        self.below, self.path, self._seconds = folder / "below", folder / "slow", folder / "seconds"
        self.below.mkdir()
        self.path.mkdir()
        self.delay(0)
        with (folder / "console").open("wb") as console:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "lab.slow_source", str(self.below), str(self.path), str(self._seconds)],
                cwd=LAB,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            eventually(self._stands, lambda: f"the slow folder stands: {(folder / 'console').read_text()}")
        except BaseException:
            self.remove()
            raise

    def _stands(self) -> bool:
        assert self._server.poll() is None, "the slow folder's server ended"
        return self.path.is_mount()

    def delay(self, seconds: float) -> None:
        """How long each read takes from now on, also one that waits already.

        A program that waits for a read that was taken up cannot be killed, as with a disk that hangs.
        """
        new = self._seconds.with_suffix(".new")
        new.write_text(str(seconds))
        new.replace(self._seconds)

    def pause(self) -> None:
        """From now on nothing is taken up, for root neither; a program that waits for that can be killed.

        That is not so of what was taken up before: nobody should be reading just then.

        No file of the folder may be open in the test then: to close it would wait too, also in a child before its exec.
        """
        self._server.send_signal(signal.SIGSTOP)
        # A thread that is not stopped yet would take up one request more.
        tasks = Path(f"/proc/{self._server.pid}/task")
        eventually(
            lambda: all((task / "stat").read_text().rpartition(")")[2].split()[0] == "T" for task in tasks.iterdir()),
            "all threads of the slow folder's server are stopped",
            every=0.001,
        )

    def resume(self) -> None:
        self._server.send_signal(signal.SIGCONT)

    def remove(self) -> None:
        """Ends it; whoever waits for it gets an error."""
        self._server.kill()
        self._server.wait()
        subprocess.run(["umount", "--lazy", str(self.path)], capture_output=True, check=False)


def serve(below: str, folder: str, seconds_file: str) -> None:
    """Serves until the folder is unmounted or the process is killed."""
    # Only the process that serves needs the package.
    from fusepy import FUSE, FuseOSError, Operations, fuse_get_context

    class Passage(Operations):
        use_ns = True

        def __call__(self, operation: str, path: str, *arguments):
            try:
                return super().__call__(operation, below + path if path else path, *arguments)
            except OSError as error:
                raise FuseOSError(error.errno or errno.EIO) from error

        def _wait(self) -> None:
            if fuse_get_context()[0] == 0:
                return
            began = time.monotonic()
            while (left := began + float(Path(seconds_file).read_text()) - time.monotonic()) > 0:
                time.sleep(min(left, LOOK_SECONDS))

        def getattr(self, path: str, fh: int | None = None) -> dict[str, int]:
            seen = os.lstat(path)
            names = ("mode", "ino", "dev", "nlink", "uid", "gid", "size")
            times = {f"st_{name}": getattr(seen, f"st_{name}_ns") for name in ("atime", "mtime", "ctime")}
            return {f"st_{name}": getattr(seen, f"st_{name}") for name in names} | times

        def readdir(self, path: str, fh: int) -> list[str]:
            return [".", "..", *os.listdir(path)]

        def open(self, path: str, flags: int) -> int:
            self._wait()
            return os.open(path, flags)

        def create(self, path: str, mode: int, fi: object = None) -> int:
            return os.open(path, os.O_RDWR | os.O_CREAT, stat.S_IMODE(mode))

        def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
            if offset < FIRST_PAGE:
                self._wait()
            return os.pread(fh, size, offset)

        def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
            return os.pwrite(fh, data, offset)

        def truncate(self, path: str, length: int, fh: int | None = None) -> None:
            os.truncate(path if fh is None else fh, length)

        def fsync(self, path: str, datasync: int, fh: int) -> None:
            os.fsync(fh)

        def flush(self, path: str, fh: int) -> None:
            # The kernel asks no second time: or whoever has a file open could not be killed while nothing is taken up.
            raise FuseOSError(errno.ENOSYS)

        def release(self, path: str, fh: int) -> None:
            os.close(fh)

        def unlink(self, path: str) -> None:
            os.unlink(path)

        def rename(self, old: str, new: str) -> None:
            os.rename(old, below + new)

        def chmod(self, path: str, mode: int) -> None:
            os.chmod(path, mode)

        def chown(self, path: str, uid: int, gid: int) -> None:
            os.chown(path, uid, gid)

        def utimens(self, path: str, times: tuple[int, int] | None = None) -> None:
            os.utime(path, ns=times)

    nothing_kept = {"direct_io": True, "attr_timeout": 0, "entry_timeout": 0, "negative_timeout": 0, "ac_attr_timeout": 0}
    FUSE(
        Passage(), folder, foreground=True, allow_other=True, default_permissions=True, use_ino=True, hard_remove=True,
        fsname="slow", **nothing_kept,
    )


if __name__ == "__main__":
    serve(*sys.argv[1:])
