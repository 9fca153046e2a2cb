"""SIGKILL, again and again, under senders that do not give up: at random moments, and at every kind of system call that
changes a file. Whatever was acknowledged is there after each, and at the end each click is counted exactly once."""
import collections
import concurrent.futures
import dataclasses
import random
import shutil
import time

import pytest

from faults import dedup_paths, strace
from load import Load, Trial, assert_exact, make_filters, of_a_day, of_now
from server import free_port, wait_until

KILLS, KILLS_SOAK = 50, 503  # of each of the four lanes
QUICK = ("--checkpoint-interval", "100ms", "--flush-interval", "100ms")
IN_FILES = ("--dedup-memory", "1MiB")  # identities, after some thousand clicks


@dataclasses.dataclass(frozen=True)
class Lane:
    name: str
    time_of: object
    flags: tuple
    size: int = 20  # clicks of a batch, at most


LANES = [
    Lane("live, checkpoints and new segments all the time", of_now(), (*QUICK, "--segment-size", "64KiB")),
    Lane("a day of the past, one partition", of_a_day, (*QUICK, "--lateness", "96h", "--partitions", "1")),
    Lane("live, all is read back at each start", of_now(), ("--segment-size", "256KiB", "--partitions", "7")),
    Lane("live, identities in files", of_now(), (*QUICK, *IN_FILES, "--segment-size", "64KiB", "--partitions", "2"), size=100),
]


def reached(server):
    """How far its life had come when it was killed."""
    names = [event["event"] for event in server.events()]
    half_made = "half-made segment, " if server.journal_files("*.new") else ""
    return half_made + next((name for name in ("checkpoint", "ready", "listening", "opened", "starting") if name in names), "nothing")


class Storm:
    def __init__(self, server, lane, kills):
        self.server, self.lane, self.kills = server, lane, kills
        self.chance = random.Random(lane.name)
        self.load = Load(lane.name.replace(" ", "-"), server.port, lane.time_of, senders=3, size=lane.size, pause=0.02)
        self.places = collections.Counter()
        self.identities = collections.Counter()  # of all lives, as far as they were asked: runs, and partitions by starts
        self.start_seconds = 0.0

    def run(self):
        self.server.start(*self.lane.flags)
        make_filters(self.server)
        self.load.start()
        try:
            for _ in range(self.kills):
                self.kill_one()
            self.start_and_check()
            self.load.finish()
        finally:
            self.load.end()
        assert_exact(self.server, self.load.clicks(), filtered=True)
        self.compare_rebuilt()
        return self.places

    def kill_one(self):
        """A third of the kills meets a server that starts; some find the store gone, which is built anew."""
        if self.server.process.poll() is not None and self.chance.random() < 0.35:
            self.server.launch(*self.lane.flags, "--log-level", "debug")
            time.sleep(self.chance.uniform(0, self.start_seconds))
        else:
            self.start_and_check()
            acknowledged = self.load.acknowledged()
            wait_until(lambda: self.load.acknowledged() > acknowledged, "something is acknowledged")
            time.sleep(self.chance.uniform(0, 0.2))
            dedup = self.server.status()["dedup"]
            self.identities.update({name: dedup[name] for name in (
                "runs_written", "runs_merged", "partitions_restored", "partitions_rebuilt")})
        self.server.kill()
        self.places[reached(self.server)] += 1
        if self.chance.random() < 0.05:
            shutil.rmtree(self.server.data / "store", ignore_errors=True)

    def start_and_check(self):
        if self.server.process.poll() is None:
            return
        acknowledged, begun = self.load.acknowledged(), time.monotonic()
        self.server.start(*self.lane.flags, "--log-level", "debug")
        self.start_seconds = time.monotonic() - begun
        assert self.server.totals()["accepted"] >= acknowledged

    def compare_rebuilt(self):
        """The journal alone says the same."""
        export = self.server.export()
        self.server.stop()
        shutil.rmtree(self.server.data / "store")
        self.server.start(*self.lane.flags)
        assert self.server.export() == export


@pytest.mark.parametrize("kills", [KILLS, pytest.param(KILLS_SOAK, marks=pytest.mark.soak)])
def test_a_storm_of_kills_loses_nothing_and_counts_nothing_twice(new_server, kills):
    storms = [Storm(new_server(port=free_port()), lane, kills) for lane in LANES]
    with concurrent.futures.ThreadPoolExecutor(len(storms)) as pool:
        places = sum((done.result() for done in [pool.submit(storm.run) for storm in storms]), collections.Counter())
    statuses = sum((storm.load.statuses() for storm in storms), collections.Counter())
    print(f"{places.total()} kills, where: {dict(places.most_common())}")
    print(f"{sum(len(storm.load.clicks()) for storm in storms)} clicks; answers: {dict(statuses.most_common())}")
    assert places.total() == kills * len(LANES)
    identities = storms[-1].identities
    print(f"identities in files: {dict(identities)}")
    assert identities["runs_written"] > 0 and identities["runs_merged"] > 0 and identities["partitions_restored"] > 0


# The calls that change a file, of which the journal makes the first half and the store the second. Each Nth call of each
# thread is a place to die at; the counts are what a start and some seconds of load reach.
CALLS = [("pwrite64", 40), ("fdatasync", 40), ("renameat", 4), ("fallocate", 8), ("ftruncate", 8), ("openat", 40),
         ("write", 60), ("fsync", 16), ("rename", 4), ("unlink", 8), ("mkdirat", 1), ("mkdir", 4)]
PLACES = [(call, number) for call, count in CALLS for number in range(1, count + 1)]
PLACES_CI = [(call, number) for call, count in CALLS for number in sorted({1, 2, 3, 1 + count // 3, count})[:count]]


# The same of calls about files of identities. A run of some thousand is written, synced and listed by each few thousand
# clicks, and the seventh and the one before it are merged.
IN_FILES_CALLS = [("pwrite64", 120), ("fdatasync", 12), ("renameat", 5), ("openat", 24), ("fsync", 12), ("unlinkat", 8)]
IN_FILES_PLACES = [(call, number) for call, count in IN_FILES_CALLS for number in range(1, count + 1)]
IN_FILES_PLACES_CI = [(call, number) for call, count in IN_FILES_CALLS for number in sorted({1, 2, count // 3})]


@pytest.mark.parametrize("places", [PLACES_CI, pytest.param(PLACES, marks=pytest.mark.soak)], ids=["some", "all"])
def test_a_kill_at_any_system_call_that_changes_a_file_loses_nothing(new_server, places):
    """The call is not made: on the disk is what all before it left."""
    reached_places = collections.Counter()
    with Trial(new_server(port=free_port()), (*QUICK, "--segment-size", "64KiB"), "aimed") as trial:
        for call, number in places:
            code = trial.meet(strace(trial.server.directory, call, "signal=KILL", number))
            assert code in (-9, None), trial.server.log()  # None: so many there were not
            reached_places[call] += code == -9
            trial.recover()
        trial.finish()
    print(f"{reached_places.total()} of {len(places)} kills at a system call: {dict(reached_places)}")
    assert all(reached_places[call] for call, _ in places)


@pytest.mark.parametrize("places", [IN_FILES_PLACES_CI, pytest.param(IN_FILES_PLACES, marks=pytest.mark.soak)], ids=["some", "all"])
def test_a_kill_at_any_system_call_about_files_of_identities_loses_nothing(new_server, places):
    reached_places = collections.Counter()
    restored = 0
    for wanted, _ in IN_FILES_CALLS:  # a server for each kind of call: its memory holds all that is sent meanwhile
        flags = (*QUICK, *IN_FILES, "--segment-size", "64KiB", "--partitions", "1")
        with Trial(new_server(port=free_port()), flags, f"aimed-{wanted}", size=100) as trial:
            paths = dedup_paths(trial.server.data, partitions=1)
            for call, number in places:
                if call != wanted:
                    continue
                code = trial.meet(strace(trial.server.directory, call, "signal=KILL", number, paths))
                assert code in (-9, None), trial.server.log()
                reached_places[call] += code == -9
                trial.recover()
            trial.finish()
            restored += trial.restored
    print(f"{reached_places.total()} of {len(places)} kills at a call about files of identities: {dict(reached_places)}; "
          f"{restored} starts went on from them")
    assert all(reached_places[call] for call, _ in places) and restored > 0
