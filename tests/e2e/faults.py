"""Faults from outside: failing, slow and deadly system calls, wrong clocks, disks that are small or lose their power."""
import datetime
import errno
import fcntl
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import tempfile

from clicks import UTC
from server import wait_until


# --- system calls ---

def strace(directory, call, fault, when="1+", paths=()):
    """A prefix that does something to the `when`th call of each thread: `error=EIO`, `delay_exit=MICROSECONDS`,
    `signal=KILL` (then the call is not made). With `paths`: of those calls that are about one of these files. The server
    stays our own child (-D); SIGTERM to strace lets it go on without (-I2)."""
    assert shutil.which("strace"), "strace is not installed: tools/install-packages test"
    allowed = subprocess.run(["strace", "-q", "-o", "/dev/null", "true"], capture_output=True, text=True, check=False)
    assert allowed.returncode == 0, f"strace may not trace here, so failed system calls cannot be made: {allowed.stderr}"
    return ["strace", "-D", "-I2", "-f", "-q", "-o", str(directory / "strace.log"), "-e", f"trace={call}",
            "-e", f"inject={call}:{fault}:when={when}", *(part for path in paths for part in ("-P", str(path)))]


def was_injected(directory):
    return "INJECTED" in (directory / "strace.log").read_text(errors="replace")


def dedup_paths(data, partitions, numbers=400):
    """Of files of identities that a test may come to: lists and runs. As they are, and as they are named where the directory
    is given besides."""
    names = [f"p{p:02}{end}" for p in range(partitions)
             for end in (".manifest", ".manifest.new", *(f"-{number:012}.run" for number in range(1, numbers)))]
    return [data / "dedup"] + [folder / name for name in names for folder in (data / "dedup", pathlib.Path("dedup"))]


# --- clocks ---

LIBFAKETIME = sorted(pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))


class WallClock:
    """The wall clock of a server started with `env`; it can be stepped while the server runs. The monotonic one goes on as it
    does. libfaketime now and then tells a thread the true time: to stand for a clock that is wrong, be well ahead of it."""

    def __init__(self, directory):
        assert LIBFAKETIME, "the package faketime is not installed: tools/install-packages test"
        self.path = pathlib.Path(directory) / "clock"
        self.env = {"LD_PRELOAD": str(LIBFAKETIME[0]), "FAKETIME_TIMESTAMP_FILE": str(self.path), "FAKETIME_NO_CACHE": "1",
                    "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        self.ahead = 0
        self.step(0)

    def step(self, seconds):
        self.ahead += seconds
        new = self.path.with_suffix(".new")
        new.write_text(f"{self.ahead:+}\n")
        new.replace(self.path)  # in one go: it is read at every look at the clock

    def now(self):
        return datetime.datetime.now(UTC) + datetime.timedelta(seconds=self.ahead)


# --- disks ---

def mount(*arguments):
    return subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)


def may_mount():
    """Root in a container may be root without this."""
    if os.geteuid() != 0:
        return False
    with tempfile.TemporaryDirectory() as place:
        done = mount("-t", "tmpfs", "-o", "size=64k", "tally-e2e", place)
        if done.returncode == 0:
            subprocess.run(["umount", place], check=True)
        return done.returncode == 0


class SmallDisk:
    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="tally-e2e-disk-")
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tally-e2e", self.path], check=True)

    def give_room(self):
        subprocess.run(["mount", "-o", "remount,size=64m", self.path], check=True)

    def remove(self):
        subprocess.run(["umount", "--lazy", self.path], check=True)
        os.rmdir(self.path)


class PowerlessDisk(Exception):
    """This machine cannot have one; says why."""


FS_IOC_SHUTDOWN = 0x8004587D  # _IOR('X', 125, uint32_t)
# What is on the disk afterwards: all that was written; what the file system's journal knows; what was synced.
SHUTDOWNS = {"flushed": 0, "log flushed": 1, "not flushed": 2}


def stand_still(process):
    """Returns when no thread of it runs; those that the kernel works for stop when it is done."""
    def states():
        try:
            return {task.read_text().rpartition(")")[2].split()[0] for task in pathlib.Path(f"/proc/{process.pid}/task").glob("*/stat")}
        except OSError:  # a thread that has just ended
            return {"R"}

    process.send_signal(signal.SIGSTOP)
    wait_until(lambda: process.poll() is not None or states() <= {"T", "D", "Z"}, "it stands still")


class PowerDisk:
    """An ext4 in a file whose power can be cut. Raises PowerlessDisk where that cannot be."""

    def __init__(self, size_mib=512):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="tally-e2e-power-"))
        self.image, self.path = self.directory / "image", self.directory / "disk"
        self.path.mkdir()
        with self.image.open("wb") as image:
            image.truncate(size_mib << 20)
        try:
            self.prepare()
        except PowerlessDisk:
            self.remove()
            raise

    def prepare(self):
        if os.geteuid() != 0:
            raise PowerlessDisk("only root may mount")
        if not shutil.which("mkfs.ext4"):
            raise PowerlessDisk("no mkfs.ext4 here (package e2fsprogs)")
        subprocess.run(["mkfs.ext4", "-q", "-F", str(self.image)], check=True)
        done = mount("-o", "loop", str(self.image), str(self.path))
        if done.returncode != 0:
            raise PowerlessDisk(f"an ext4 in a file cannot be mounted here: {done.stderr.strip()}")

    def cut_power(self, how, process=None):
        """From here on nothing reaches the disk, and every call says so. The process stands still from just before on, as
        it would without power: an ext4 that is shut down in the middle of a sync may well say that it succeeded."""
        if process is not None:
            stand_still(process)
        place = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(place, FS_IOC_SHUTDOWN, struct.pack("I", SHUTDOWNS[how]))
        except OSError as error:
            if error.errno in (errno.ENOTTY, errno.EOPNOTSUPP, errno.EPERM):
                raise PowerlessDisk(f"this ext4 cannot be shut down: {error}") from error
            raise
        finally:
            os.close(place)

    def power_on(self):
        """Once nobody uses it any more."""
        wait_until(lambda: subprocess.run(["umount", str(self.path)], capture_output=True, check=False).returncode == 0,
                   "the disk can be unmounted")
        done = mount("-o", "loop", str(self.image), str(self.path))
        assert done.returncode == 0, done.stderr

    def remove(self):
        if os.path.ismount(self.path):
            subprocess.run(["umount", "--lazy", str(self.path)], check=True)
        shutil.rmtree(self.directory)
