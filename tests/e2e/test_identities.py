"""Identities in files: a start goes on from them, and makes them anew when they are of no use."""
import shutil

import pytest

from clicks import click
from faults import crc32c
from server import wait_until

BATCH = 500
FLAGS = ("--dedup-memory", "1MiB", "--segment-size", "64KiB", "--checkpoint-interval", "100ms", "--flush-interval", "100ms",
         "--lateness", "96h")


def batch(number):
    return [click(f"ad{number}", "2021-01-01 00:00:01", user=f"user {line}").log_line() for line in range(BATCH)]


def send(server, numbers):
    for number in numbers:
        wait_until(lambda: server.post_lines(batch(number)).status == 200, "room")
    server.settled()


def files(server, end):
    return sorted(path for path in (server.data / "dedup").iterdir() if path.name.endswith(end))


def lists(server):
    """Those that are no notes."""
    return [path for path in files(server, ".manifest") if path.read_bytes().startswith(b"tallylst")]


def dedup(server):
    return server.status()["dedup"]


@pytest.fixture
def filled(new_server):
    """Some hundred batches, most of whose identities are in files that are kept."""
    server = new_server().start(*FLAGS)
    send(server, range(200))
    wait_until(lambda: len(lists(server)) == 4, "what is kept of all partitions")
    send(server, range(200, 260))
    return server


@pytest.fixture(params=["stop", "kill"])
def end_of(request):
    return lambda server: server.stop() if request.param == "stop" else server.kill()


@pytest.mark.every_build
def test_a_start_goes_on_from_the_files(filled, end_of):
    totals, export = filled.settled(), filled.export()
    for _ in range(2):
        end_of(filled)
        filled.start(*FLAGS)
        [restored] = filled.events("restored")
        assert restored["partitions"] == 4 and restored["segments"] > 0 and restored["identities"] > 1000
        assert dedup(filled)["partitions_restored"] == 4 and dedup(filled)["partitions_rebuilt"] == 0
        assert (filled.settled(), filled.export()) == (totals, export)
    send(filled, range(0, 260, 20))
    after = filled.settled()
    assert after["counted"] == totals["counted"], "copies are still known"
    assert after["duplicate"] == totals["duplicate"] + 13 * BATCH


@pytest.mark.every_build
@pytest.mark.parametrize("damage", ["list", "list of another version", "no list", "run", "no run", "all of them", "the directory"])
def test_files_of_no_use_are_made_anew_and_it_is_told(filled, damage):
    totals, export = filled.settled(), filled.export()
    filled.kill()
    if damage == "list":
        path = files(filled, ".manifest")[1]
        path.write_bytes(path.read_bytes()[:-1])
    elif damage == "list of another version":
        path = files(filled, ".manifest")[1]
        content = path.read_bytes()[:-4]
        assert content[8:12] == (1).to_bytes(4, "little")
        content = content[:8] + (2).to_bytes(4, "little") + content[12:]
        path.write_bytes(content + crc32c(content).to_bytes(4, "little"))
    elif damage == "no list":
        files(filled, ".manifest")[1].unlink()
    elif damage == "run":
        for path in files(filled, ".run"):  # one that no list names may be among them
            content = bytearray(path.read_bytes())
            content[-4096 - 100] ^= 1  # of the filter
            path.write_bytes(content)
    elif damage == "no run":
        for path in files(filled, ".run"):
            path.unlink()
    elif damage == "all of them":
        for path in files(filled, ""):
            path.unlink()
    else:
        shutil.rmtree(filled.data / "dedup")
    filled.start(*FLAGS)
    rebuilt = 1 if damage in ("list", "list of another version", "no list") else 4
    assert dedup(filled)["partitions_rebuilt"] == rebuilt
    [event] = filled.events("rebuilt")
    assert event["partitions"] == rebuilt
    assert event["reason"].startswith("dedup/p01.manifest" if rebuilt == 1 else "dedup/p00"), event["reason"]
    if damage == "run":
        assert " at byte " in event["reason"], event["reason"]
    if damage == "list of another version":
        assert "format version 2, this program knows 1" in event["message"]
    assert (filled.settled(), filled.export()) == (totals, export)
    send(filled, range(0, 260, 20))
    assert filled.settled()["counted"] == totals["counted"]


def survives_copies(server):
    """Starts it; whether it takes and judges copies of everything, or ends, perhaps while it reads the journal's end."""
    try:
        server.start(*FLAGS)
        send(server, range(260))
        return True
    except (AssertionError, OSError):
        assert server.exit_code() == 1
        [failed] = server.events("failed")
        assert "dedup/p" in failed["message"] and "at byte" in failed["message"], failed["message"]
        return False


@pytest.mark.every_build
def test_a_directory_too_small_for_files_says_nothing(new_server):
    server = new_server().start(*FLAGS)
    send(server, range(3))
    totals = server.settled()
    for _ in range(2):
        server.kill()
        server.start(*FLAGS)
        assert not server.events("rebuilt") and server.settled() == totals
    server.kill()
    shutil.rmtree(server.data / "dedup")
    server.start(*FLAGS)
    assert not server.events("rebuilt") and server.settled() == totals


@pytest.mark.every_build
def test_damaged_blocks_stop_the_server_once_and_the_next_start_tells_and_heals_all(filled):
    totals = filled.settled()
    filled.stop()
    for path in files(filled, ".run"):
        content = bytearray(path.read_bytes())
        for block in range(4096, len(content) // 2, 4096):  # of entries, which a start does not read
            content[block + 5] ^= 1
        path.write_bytes(content)
    assert not survives_copies(filled)
    [failed] = filled.events("failed")
    assert survives_copies(filled), "however much is damaged, it stops once"
    [rebuilt] = filled.events("rebuilt")
    assert rebuilt["partitions"] == dedup(filled)["partitions_rebuilt"] == 4 and not filled.events("restored")
    assert " at byte " in rebuilt["reason"] and "dedup/p" in failed["message"], "perhaps of another partition that met its own"
    after = filled.settled()
    assert after["counted"] == totals["counted"] and after["duplicate"] >= totals["duplicate"] + 260 * BATCH
    filled.stop()
    filled.start(*FLAGS)
    [restored] = filled.events("restored")
    assert restored["partitions"] == 4 and not filled.events("rebuilt")
