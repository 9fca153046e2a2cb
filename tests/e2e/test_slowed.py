"""Back-pressure: with one part slowed at least a hundred times, producers are told to wait, memory stays within its bounds,
questions are answered, nothing that was accepted is lost; and when the part is fast again, everything goes on by itself."""
import os
import pathlib
import signal
import subprocess
import time

import pytest

from faults import strace
from load import ADS, Load, assert_exact, make_filters, of_now
from server import BINARY, die_with_parent, free_port, wait_until

PENDING = 10_000  # the least that a setting may give
SENDERS, SIZE = 16, 2000
ROOM = ("--pending-clicks", PENDING, "--dedup-memory", "256MiB", "--store-cache", "32MiB", "--window-memory", "64MiB",
        "--filter-memory", "64MiB", "--checkpoint-interval", "100ms", "--flush-interval", "100ms")
MIB = 1 << 20
SLACK = 96 * MIB  # what waits, with the buffers of all requests, and the allocator's rest


def resident(server):
    pages = pathlib.Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGESIZE")


def tracer_of(server):
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("TracerPid:"))


class SlowThreads:
    """The aggregators, a thousand times slower: each runs for 0.2 ms of 200."""

    def __init__(self, server):
        del server
        self.process = None

    def wrap(self):
        return ()

    def begin(self, server):
        tool = pathlib.Path(BINARY).parent / "tests/e2e/slow_thread"
        self.process = subprocess.Popen([tool, str(server.process.pid), "aggregate", "1000", "300"], text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=die_with_parent)
        assert self.process.stdout.readline() == "slowing 4 threads\n", self.process.stderr.read()

    def end(self, server):
        del server
        self.process.terminate()
        assert self.process.wait(10) == 0


class SlowCalls:
    """Each of these calls about these files takes so much longer."""

    def __init__(self, server, calls, milliseconds, paths):
        self.prefix = strace(server.directory, calls, f"delay_exit={milliseconds * 1000}", "1+", paths)

    def wrap(self):
        return self.prefix

    def begin(self, server):
        pass

    def end(self, server):
        """The tracer lets go, the server goes on."""
        os.kill(tracer_of(server), signal.SIGTERM)
        wait_until(lambda: tracer_of(server) == 0, "strace has ended")


def slow_disk(server):
    """A sync that takes 0.3 s."""
    names = [server.data / "journal" / f"{number:020}.seg" for number in range(1, 100)]
    return SlowCalls(server, "fdatasync", 300, names)


def slow_store(server):
    """Where a write takes 10 us and a sync 1 ms: 0.1 s for each."""
    names = [f"{number:06}.{end}" for number in range(1, 4000) for end in ("log", "sst")]
    return SlowCalls(server, "write,fdatasync,fsync", 100, [server.data / "store", *(server.data / "store" / name for name in names)])


def assert_within_bounds(server, base):
    """What the server says, and what the kernel says, less what may be remembered: that has a bound of its own."""
    status = server.status()
    for part in (status["dedup"], status["slices"], {"bytes": status["memory"]["window_bytes"],
                                                     "bytes_max": status["memory"]["window_bytes_max"]}):
        assert part["bytes"] <= part["bytes_max"]
    waits = status["totals"]["pending"]
    used = status["dedup"]["bytes"] + status["slices"]["bytes"] + status["memory"]["window_bytes"]
    assert resident(server) <= base + used + SLACK, status["memory"]
    return waits


@pytest.mark.parametrize("seconds", [3, pytest.param(30, marks=pytest.mark.soak)])
@pytest.mark.parametrize("slow, refuses", [(SlowThreads, True), (slow_disk, True), (slow_store, False)],
                         ids=["aggregators", "disk", "store"])
def test_what_is_slowed_a_hundred_times_pushes_back_and_recovers(new_server, slow, refuses, seconds):
    """A slow store alone refuses nobody here: what waits for it may be 4 million counts a partition."""
    server = new_server(port=free_port())
    slowed = slow(server)
    server.start(*ROOM, wrap=slowed.wrap())
    make_filters(server)
    base = resident(server)
    load = Load("pressed", server.port, of_now(), senders=SENDERS, size=SIZE, pause=0.05 if seconds < 10 else 0.5)
    try:
        slowed.begin(server)
        load.start()
        begun, waits, slowest = time.monotonic(), [], 0.0
        while time.monotonic() < begun + seconds or refuses and load.statuses()[503] < 20:
            load.check()
            waits.append(assert_within_bounds(server, base))
            asked = time.monotonic()
            for question in (f"/v1/ads/{ADS[0]}/aggregated_cnt?last=5", "/v1/ads/popular_ads?window=5", "/readyz", "/metrics"):
                assert server.get(question).status == 200
            slowest = max(slowest, time.monotonic() - asked)
            time.sleep(0.1)
        assert server.get("/livez").status == 200
        slowed.end(server)
        refused, acknowledged = load.statuses()[503], load.acknowledged()
        wait_until(lambda: load.acknowledged() > acknowledged, "it goes on")
        load.finish()
    finally:
        load.end()
    if refuses:
        assert max(waits) <= PENDING + SENDERS * SIZE and refused >= 20
    print(f"{len(load.clicks())} clicks, {refused} times 503; at most {max(waits)} waited, {resident(server) // MIB} MiB "
          f"resident of {base // MIB} before; four questions took at most {slowest:.2f} s")
    assert_exact(server, load.clicks(), filtered=True)
    assert_within_bounds(server, base)
    server.stop()
