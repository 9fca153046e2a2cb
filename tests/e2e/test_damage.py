"""A damaged data directory: what is built anew by itself, what is refused, and what `tally repair` says and does."""
import pathlib
import re
import shutil
import struct
import subprocess

import pytest

from clicks import click, count_lines, make_clicks, read_cells
from server import BINARY, tally, wait_until

FLAGS = ("--lateness", "96h", "--segment-size", "64KiB")
LINES = [made.log_line() for made in make_clicks(seed=11, count=2000, days=1)]
CELLS = count_lines(LINES)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A data directory with several sealed segments and a store, of a server that was stopped."""
    from server import Server
    server = Server(tmp_path_factory.mktemp("damage"))
    server.start(*FLAGS)
    for begin in range(0, len(LINES), 200):
        assert server.post_lines(LINES[begin:begin + 200]).status == 200
    server.settled()
    server.stop()
    return server.data


@pytest.fixture
def server(new_server, filled):
    made = new_server()
    shutil.copytree(filled, made.data)
    return made


def flip(path, at, mask=0x10):
    data = bytearray(path.read_bytes())
    data[at] ^= mask
    path.write_bytes(data)


def repair(server, *flags):
    return tally("repair", "--data", server.data, *flags)


def files_of(directory):
    return {path.relative_to(directory): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}


def counted_clicks(server):
    return sum(read_cells(server.export()).values())


# --- the store ---

def assert_exact_or_says_what_to_do(server):
    """Exact, perhaps with the store built anew; or refused with words that help. Never another number."""
    server.launch(*FLAGS)
    try:
        server.start_waiting()
    except AssertionError:
        assert server.process.poll() is not None, server.log()
        assert server.exit_code() in (1, 2)
        assert re.search("remove|damaged|advice", server.log()), server.log()
        return "refused"
    assert read_cells(server.export()) == CELLS
    how = "rebuilt" if server.events("store_damaged") else "exact"
    server.process.terminate()
    if server.process.wait(timeout=60) != 0:  # the damage was found while it ran: the next start builds the store anew
        assert server.events("store_damaged") and server.events("failed"), server.log()
        how = "rebuilt"
        server.start(*FLAGS)
        assert read_cells(server.export()) == CELLS
        server.stop()
    return how


def store_files(directory):
    kinds = {"sst": ".sst", "MANIFEST": "MANIFEST", "CURRENT": "CURRENT", "log": ".log"}
    for path in sorted((directory / "store").iterdir()):
        for kind, mark in kinds.items():
            if mark in path.name and path.stat().st_size > 0 and path.name != "LOG":
                yield kind, path.name, path.stat().st_size


def test_a_flipped_byte_in_any_file_of_the_store_never_makes_another_number(new_server, filled):
    seen = {}
    for kind, name, size in list(store_files(filled)):
        places = sorted({0, size // 3, size // 2, size - 9, size - 1} & set(range(size)))
        for at in places if kind != "sst" else places[1:4]:
            server = new_server()
            shutil.copytree(filled, server.data)
            flip(server.data / "store" / name, at)
            seen.setdefault(kind, []).append(assert_exact_or_says_what_to_do(server))
    assert {"sst", "MANIFEST", "CURRENT"} <= set(seen)
    assert "rebuilt" in seen["sst"] + seen["MANIFEST"], seen
    assert "refused" not in seen["sst"] + seen["MANIFEST"], seen


@pytest.mark.every_build
def test_a_store_whose_file_is_gone_is_built_anew_and_reported(server):
    for path in (server.data / "store").glob("*.sst"):
        path.unlink()
    server.start(*FLAGS)
    [event] = server.events("store_damaged")
    assert event["moved_to"] == "store.damaged" and event["reason"]
    assert (server.data / "store.damaged").is_dir()
    assert read_cells(server.export()) == CELLS
    server.stop()
    server.start(*FLAGS)
    assert not server.events("store_damaged")


# --- tally repair ---

@pytest.mark.every_build
def test_repair_of_a_good_directory_says_so_and_changes_nothing(server):
    before = files_of(server.data)
    done = repair(server)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all is right" in done.stdout and f"with {len(LINES)} clicks are right" in done.stdout
    after = files_of(server.data)
    assert {path for path in before if path.name != "LOCK" and before[path] != after.get(path)} == set()


def test_repair_refuses_a_directory_in_use_and_one_that_is_not_there(server):
    server.start(*FLAGS)
    done = repair(server)
    assert done.returncode == 1 and "in use by another process" in done.stderr
    missing = pathlib.Path(str(server.data) + "-missing")
    done = tally("repair", "--data", missing)
    assert done.returncode == 1 and "no such data directory" in done.stderr and not missing.exists()
    for flags in ((), ("--data", server.data, "--cut", "1"), ("--data", server.data, "--apply", "--cut", "0")):
        assert tally("repair", *flags).returncode == 2


@pytest.mark.every_build
def test_repair_moves_a_damaged_store_aside_only_when_told(server):
    [sst, *_] = sorted((server.data / "store").glob("*.sst"))
    flip(sst, sst.stat().st_size // 3)
    done = repair(server)
    assert done.returncode == 3 and "nothing is lost" in done.stdout and "nothing was changed" in done.stdout
    assert (server.data / "store").is_dir() and not (server.data / "store.damaged").exists()
    done = repair(server, "--apply")
    assert done.returncode == 0 and "store.damaged" in done.stdout
    assert not (server.data / "store").exists()
    assert repair(server).returncode == 0
    server.start(*FLAGS)
    assert read_cells(server.export()) == CELLS


def leave_unsealed(server, lines):
    server.start(*FLAGS)
    assert server.post_lines(lines).status == 200
    server.settled()
    server.kill()
    return sorted((server.data / "journal").glob("*.seg"))[-1]


def test_repair_moves_a_torn_tail_aside_only_when_told(server):
    segment = leave_unsealed(server, LINES[:5])
    data = segment.read_bytes()
    end = len(data.rstrip(b"\0")) + 8 - len(data.rstrip(b"\0")) % 8
    with segment.open("r+b") as file:
        file.seek(end)
        file.write(b"TREC half of a record that was never acknowledged")
    (segment.parent / "00000000000000000099.seg.new").write_bytes(b"half")
    done = repair(server)
    assert done.returncode == 3 and "torn tail" in done.stdout and "half made" in done.stdout and "lost" not in done.stdout
    assert not list(segment.parent.glob("*.torn"))
    done = repair(server, "--apply")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list(segment.parent.glob("*.torn"))) == 1 and not list(segment.parent.glob("*.new"))
    assert repair(server).returncode == 0
    server.start(*FLAGS)
    assert read_cells(server.export()) == CELLS


@pytest.mark.every_build
@pytest.mark.parametrize("where", ["record", "header", "footer", "file"])
def test_repair_cuts_a_damaged_journal_only_where_it_is_told_to(server, where):
    segments = sorted((server.data / "journal").glob("*.seg"))
    assert len(segments) >= 3
    damaged = segments[1]
    if where == "file":
        damaged.unlink()
    else:
        size = damaged.stat().st_size
        flip(damaged, {"record": size // 2, "header": 80, "footer": size - 20}[where])
    before = files_of(server.data / "journal")
    done = repair(server)
    assert done.returncode == 3, done.stdout
    assert damaged.name in done.stdout and "lost:" in done.stdout and "--cut 2" in done.stdout
    kept = int(re.search(r"in front of the first damage are (\d+) clicks", done.stdout).group(1))
    behind = int(re.search(r"at least (\d+) more were acknowledged", done.stdout).group(1))
    assert 0 < kept < len(LINES) and kept + behind == len(LINES)
    for flags in (("--apply",), ("--apply", "--cut", "1")):
        assert repair(server, *flags).returncode in (2, 3)
        assert files_of(server.data / "journal") == before, "nothing acknowledged goes without its segment's name"
    server.launch(*FLAGS)
    assert server.exit_code() == 1 and damaged.name in server.log()
    done = repair(server, "--apply", "--cut", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    kept_files = {path.name: path.read_bytes() for path in (server.data / "journal").glob("*.cut")}
    for path, content in before.items():
        if path.name >= damaged.name:
            assert kept_files[path.name + ".cut"] == content, "the files as they were are kept beside"
    assert repair(server).returncode == 0
    server.start(*FLAGS)
    assert server.settled()["accepted"] == kept
    for begin in range(0, len(LINES), 200):  # sending all again counts what was lost, and nothing twice
        assert server.post_lines(LINES[begin:begin + 200]).status == 200
    assert read_cells(server.export()) == CELLS


def test_repair_of_a_journal_that_lost_what_the_store_counted(server):
    segment = leave_unsealed(server, ["[AdClickEvent] new-ad, 2017-11-07 10:00:00, user 1, 207.148.22.22, USA"])
    server.start(*FLAGS)  # the store has all of it
    server.stop()
    segments = sorted((server.data / "journal").glob("*.seg"))
    assert segments[-1].name >= segment.name
    segments[-1].unlink()
    done = repair(server)
    assert done.returncode == 3 and "the store counted partition" in done.stdout and "lost: at most" in done.stdout
    cut = re.search(r"--cut (\d+)", done.stdout).group(1)
    assert repair(server, "--apply").returncode == 3 and (server.data / "store").is_dir()
    assert repair(server, "--apply", "--cut", cut).returncode == 0
    server.start(*FLAGS)
    assert read_cells(server.export()) == CELLS


@pytest.mark.parametrize("version", [0, 3, 255])
def test_a_journal_of_another_version_is_refused_naming_both(server, version):
    segment = sorted((server.data / "journal").glob("*.seg"))[0]
    data = bytearray(segment.read_bytes())
    data[8:12] = version.to_bytes(4, "little")
    segment.write_bytes(data)
    before = files_of(server.data / "journal")
    server.launch(*FLAGS)
    assert server.exit_code() == 1
    assert f"has format version {version} (byte 8), this program reads versions 1 to 2" in server.log()
    done = repair(server)
    assert done.returncode == 3 and f"has format version {version}" in done.stdout and "run the version of tally" in done.stdout
    assert repair(server, "--apply").returncode == 3
    assert files_of(server.data / "journal") == before


# --- the files of identities ---

SMALL_MEMORY = ("--dedup-memory", "1MiB", *FLAGS)


@pytest.fixture(scope="module")
def filled_identities(tmp_path_factory):
    """A data directory whose identities are in files, of a server that was stopped; and what was counted."""
    from server import Server
    server = Server(tmp_path_factory.mktemp("identities"))
    server.start(*SMALL_MEMORY)
    lines = [click(f"ad{number % 50}", "2017-11-07 10:00:00", user=f"user {number}").log_line() for number in range(60000)]
    for begin in range(0, len(lines), 1000):
        wait_until(lambda: server.post_lines(lines[begin:begin + 1000]).status == 200, "room")
    counted = server.settled()["counted"]
    server.stop()
    return server.data, counted


@pytest.fixture
def with_identities(new_server, filled_identities):
    made = new_server()
    shutil.copytree(filled_identities[0], made.data)
    made.counted = filled_identities[1]
    return made


def listed_runs(server, partition):
    """Those of the partition that its list names: any other is gone after an orderly stop."""
    content = (server.data / "dedup" / f"p{partition:02}.manifest").read_bytes()
    assert content.startswith(b"tallylst")
    [count] = struct.unpack_from("<I", content, 52)
    numbers = [struct.unpack_from("<Q", content, 56 + 20 * i)[0] for i in range(count)]
    return [server.data / "dedup" / f"p{partition:02}-{number:012}.run" for number in numbers]


def unlocked(files):
    return {path: content for path, content in files.items() if path.name != "LOCK"}


@pytest.mark.every_build
@pytest.mark.parametrize("where", ["list", "entries", "index", "filter", "footer", "run"])
def test_repair_finds_damaged_files_of_identities_and_the_next_start_heals_them(with_identities, where):
    server, victim = with_identities, 2
    run = listed_runs(server, victim)[0]
    size = run.stat().st_size
    entries = struct.unpack_from("<Q", run.read_bytes(), size - 4096 + 48)[0]  # blocks of them
    place = {"entries": 4096 + 500, "index": (1 + entries) * 4096 + 3, "filter": size - 2 * 4096 + 9, "footer": size - 4000}
    name = run.name
    if where == "list":
        name = f"p{victim:02}.manifest"
        flip(server.data / "dedup" / name, 60)
    elif where == "run":
        run.unlink()
    else:
        flip(run, place[where])
    before = unlocked(files_of(server.data))
    done = repair(server)
    assert done.returncode == 3, done.stdout + done.stderr
    assert f"found: dedup/{name}" in done.stdout and "all is right" not in done.stdout
    if where in place:
        assert f"at byte {place[where] // 4096 * 4096};" in done.stdout
    assert f"the identities of partition {victim} are made anew from the journal by the next start; no click is lost" in done.stdout
    assert "nothing was changed" in done.stdout and "\nlost:" not in done.stdout
    assert unlocked(files_of(server.data)) == before
    done = repair(server, "--apply")
    assert done.returncode == 0 and f"done: the next start makes the identities of partition {victim} anew" in done.stdout
    changed = {path.name for path, content in unlocked(files_of(server.data)).items() if before.get(path) != content}
    assert changed == {f"p{victim:02}.manifest"}
    done = repair(server)
    assert done.returncode == 0 and "all is right" in done.stdout
    assert f"those of partition {victim} wait for a start that makes them anew: dedup/{name}" in done.stdout
    server.start(*SMALL_MEMORY)
    [rebuilt] = server.events("rebuilt")
    assert rebuilt["partitions"] == 1 and rebuilt["reason"].startswith(f"dedup/{name}")
    assert server.settled()["counted"] == server.counted
    server.stop()
    assert repair(server).returncode == 0


@pytest.mark.every_build
def test_repair_takes_a_file_that_no_list_names_for_no_damage(with_identities):
    server = with_identities
    (server.data / "dedup" / "p01-000000009999.run").write_bytes(b"half of a run")
    done = repair(server)
    assert done.returncode == 0 and "all is right" in done.stdout
    assert re.search(r"identities: [1-9]\d* files, [1-9]\d* entries, [1-9]\d* bytes are right", done.stdout)


def test_repair_finds_the_damage_of_all_partitions_at_once(with_identities):
    server = with_identities
    for partition in range(4):
        for run in listed_runs(server, partition):
            flip(run, 4096 + 500)
    done = repair(server, "--apply")
    assert done.returncode == 0 and done.stdout.count("done: the next start makes") == 4
    server.start(*SMALL_MEMORY)
    [rebuilt] = server.events("rebuilt")
    assert rebuilt["partitions"] == 4 and server.settled()["counted"] == server.counted


def test_help_and_completion_list_repair():
    assert re.search(r"^  repair ", tally("help").stdout, re.M)
    assert "--apply" in tally("help", "repair").stdout
    script = tally("completion", "bash").stdout + f'\n_tally_words "{BINARY}" "" "" ""\n_tally_words "{BINARY}" repair "" ""\n'
    words = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert {"repair", "--data", "--apply", "--cut"} <= set(words)
