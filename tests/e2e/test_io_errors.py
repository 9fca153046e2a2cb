"""A failing disk, by strace: the Nth write, sync, rename, open of the journal, of the store or of the files of identities
fails, once or for good. The server stops with the reason; what was acknowledged is there when it is started again, and each click is counted once."""
import collections
import pathlib

import pytest

from faults import dedup_paths, strace, was_injected
from load import Trial
from server import free_port

FLAGS = ("--checkpoint-interval", "100ms", "--flush-interval", "100ms", "--segment-size", "64KiB")
EIO, ENOSPC = ("EIO", "Input/output error"), ("ENOSPC", "No space left on device")
NUMBERS = 400  # of files that a test may come to

# call, error, which (in CI, in the soak): of one thread's calls about these files
JOURNAL = [
    ("pwrite64", EIO, (1, 2, 3, 10, 20), range(1, 40)), ("pwrite64", ENOSPC, (1, 4, 15), range(1, 40)),
    ("fdatasync", EIO, (1, 2, 3, 10, 20), range(1, 40)), ("fdatasync", ENOSPC, (1, 12), range(1, 40)),
    ("fallocate", ENOSPC, (1, 2), range(1, 5)), ("ftruncate", EIO, (1, 2), range(1, 5)),
    ("fsync", EIO, (1, 2), range(1, 5)), ("renameat", EIO, (1, 2), range(1, 5)), ("renameat", ENOSPC, (1,), range(1, 5)),
]
STORE = [
    ("write", EIO, (1, 2, 6, 20), range(1, 40)), ("write", ENOSPC, (1, 4, 10), range(1, 40)),
    ("fdatasync", EIO, (1, 2, 6), range(1, 20)), ("fdatasync", ENOSPC, (1, 4), range(1, 20)),
    ("fsync", EIO, (1, 2, 5), range(1, 10)), ("rename", EIO, (1, 2), range(1, 5)), ("openat", EIO, (1, 5, 9), range(1, 20)),
    ("unlink", EIO, (1,), range(1, 5)), ("pread64", EIO, (1, 2), range(1, 20)),
]
# Runs of identities and lists of them. What fails while they are read at a start makes it do without them; and a list that is
# not there need not be removed. No run of such a small memory is so large that it is removed in parts (ftruncate).
DEDUP = [
    ("pwrite64", EIO, (1, 2, 30), range(1, 120, 3)), ("pwrite64", ENOSPC, (1, 20), range(1, 120, 3)),
    ("fdatasync", EIO, (1, 2, 3), range(1, 12)), ("fdatasync", ENOSPC, (1, 4), range(1, 12)),
    ("fsync", EIO, (1, 2, 3), range(1, 12)), ("renameat", EIO, (1, 2), range(1, 5)), ("renameat", ENOSPC, (1,), range(1, 5)),
    ("openat", EIO, (1, 2, 5), range(1, 24)), ("openat", ENOSPC, (3,), range(1, 12)),
    ("unlinkat", EIO, (1, 2, 4), range(1, 8)), ("pread64", EIO, (1, 4, 20, 60), range(1, 120, 3)),
]
PASSED_OVER = ("openat", "pread64", "unlinkat")
DEDUP_FLAGS = (*FLAGS, "--dedup-memory", "1MiB", "--partitions", "1")


def journal_paths(data):
    """As they are, and as they are named where the directory is given besides."""
    names = [f"{number:020}.seg{end}" for number in range(1, NUMBERS) for end in ("", ".new")]
    return [data / "journal"] + [folder / name for name in names for folder in (data / "journal", pathlib.Path("journal"))]


def store_paths(data):
    """RocksDB's files, but not LOCK."""
    numbers = range(1, 10 * NUMBERS)
    ends = [f"{number:06}.{end}" for number in numbers for end in ("log", "sst", "dbtmp")]
    return [data / "store"] + [data / "store" / name for name in [*ends, "CURRENT", *(f"MANIFEST-{n:06}" for n in numbers)]]


def faults(table, soak):
    """Each once, and from there on for good."""
    for call, error, some, all_of_them in table:
        for number in all_of_them if soak else some:
            for when in (f"{number}", f"{number}+") if number <= (5 if soak else some[0]) else (f"{number}",):
                yield call, error, when


@pytest.mark.parametrize("soak", [False, pytest.param(True, marks=pytest.mark.soak)], ids=["some", "all"])
@pytest.mark.parametrize("part, table, paths", [("journal", JOURNAL, journal_paths), ("store", STORE, store_paths)],
                         ids=["journal", "store"])
def test_a_failing_disk_stops_the_server_and_costs_nothing_acknowledged(new_server, part, table, paths, soak):
    met, went_on, never = collections.Counter(), collections.Counter(), collections.Counter()
    with Trial(new_server(port=free_port()), FLAGS, part) as trial:
        server = trial.server
        for call, (error, words), when in faults(table, soak):
            if sum(count for (name, *_), count in never.items() if name == call) >= 3:
                continue  # nor will it come to a later one
            code = trial.meet(strace(server.directory, call, f"error={error}", when, paths(server.data)))
            if code is None:
                (went_on if was_injected(server.directory) else never)[call, error, when] += 1
            else:
                assert code == 1, (call, error, when, code, server.log())
                assert was_injected(server.directory)
                last = server.events()[-1]
                assert last["event"] == "failed" and part in last["message"], server.log()
                assert words in last["message"] or call == "openat", server.log()  # RocksDB has words of its own for some
                met[call, error] += 1
            trial.recover()
        trial.finish()
    report(part, met, went_on, never)
    assert part == "store" or not went_on, "a failure of the journal may never be passed over"
    assert {call for call, _ in met} >= {call for call, *_ in table} - {"unlink"}


def report(part, met, went_on, never):
    print(f"{part}: stopped with the reason {met.total()} times: {dict(met)}; went on: {dict(went_on)}; "
          f"never came so far: {dict(never)}")


@pytest.mark.parametrize("soak", [False, pytest.param(True, marks=pytest.mark.soak)], ids=["some", "all"])
def test_a_failing_disk_of_identities_stops_the_server_or_has_them_made_anew(new_server, soak):
    met, went_on, never = collections.Counter(), collections.Counter(), collections.Counter()
    restored = rebuilt = 0
    for number, row in enumerate(DEDUP):  # a server for each: its memory holds all that is sent meanwhile
        with Trial(new_server(port=free_port()), DEDUP_FLAGS, f"identities-{number}", size=100) as trial:
            server = trial.server
            for call, (error, words), when in faults([row], soak):
                code = trial.meet(strace(server.directory, call, f"error={error}", when, dedup_paths(server.data, partitions=1)))
                if code is None:
                    (went_on if was_injected(server.directory) else never)[call, error, when] += 1
                else:
                    assert code == 1, (call, error, when, code, server.log())
                    assert was_injected(server.directory)
                    last = server.events()[-1]
                    assert last["event"] == "failed" and "dedup" in last["message"] and words in last["message"], server.log()
                    met[call, error] += 1
                rebuilt += len(server.events("rebuilt"))
                trial.recover()
            trial.finish()
            restored += trial.restored
    report("identities", met, went_on, never)
    print(f"{restored} starts went on from them; under a fault, {rebuilt} had them made anew")
    assert not [call for call, *_ in went_on if call not in PASSED_OVER], "a failure to write them may never be passed over"
    assert {call for call, _ in met} >= {call for call, *_ in DEDUP}
    assert restored > 0 and rebuilt > 0
