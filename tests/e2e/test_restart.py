"""What stays after a stop, a kill, a lost store, a torn tail and damage."""
import os
import re
import shutil

import pytest

from clicks import click, count_lines, make_clicks, read_cells
from server import tally, wait_until

PAST = ("--lateness", "96h")
SMALL = ("--segment-size", "64KiB")
LINES = [made.log_line() for made in make_clicks(seed=7, count=3000, days=1)]
CELLS = count_lines(LINES)
QUESTIONS = ["/v1/ads/popular_ads?window=1440&at=201711071559&count=1000", "/v1/ads/app1-ch1/aggregated_cnt?from=201711060000&to=201711080000",
             "/v1/ads/app0-ch0/aggregated_cnt?from=201711061600&to=201711071600"]


def fill(server, lines=tuple(LINES)):
    for begin in range(0, len(lines), 500):
        assert server.post_lines(lines[begin:begin + 500]).status == 200


def answers(server):
    """Without what may move by itself: version, watermark, state."""
    server.settled()
    told = []
    for question in QUESTIONS:
        answer = server.get(question)
        assert answer.status == 200
        told.append({name: value for name, value in answer.json.items() if name not in ("version", "watermark", "state")})
    return told


def judged(server):
    return {name: value for name, value in server.settled().items()}


@pytest.fixture(params=["stop", "kill"])
def end_of(request):
    return lambda server: server.stop() if request.param == "stop" else server.kill()


@pytest.mark.every_build
def test_the_answers_are_the_same_after_a_restart(new_server, end_of):
    server = new_server().start(*PAST)
    fill(server)
    told, totals, export = answers(server), judged(server), server.export()
    assert read_cells(export) == CELLS
    for _ in range(3):
        end_of(server)
        server.start(*PAST)
        assert (answers(server), judged(server), server.export()) == (told, totals, export)
    assert server.post_lines(LINES[:100]).status == 200
    assert server.settled()["counted"] == totals["counted"], "copies are still known"


@pytest.mark.every_build
def test_a_kill_between_checkpoints_loses_nothing(new_server):
    server = new_server()
    flags = (*PAST, *SMALL, "--checkpoint-interval", "100ms", "--flush-interval", "100ms")
    for begin in range(0, 3000, 300):
        server.start(*flags)
        fill(server, LINES[begin:begin + 300])
        server.kill()
    server.start(*flags)
    assert read_cells(server.export()) == count_lines(LINES[:3000])


@pytest.mark.every_build
@pytest.mark.parametrize("segments", [(), SMALL], ids=["one segment", "many segments"])
def test_without_its_store_a_server_exports_the_same_bytes(new_server, end_of, segments):
    server = new_server().start(*PAST, *segments)
    fill(server)
    told, totals, export = answers(server), judged(server), server.export()
    assert (len(server.journal_files()) > 5) == bool(segments)
    end_of(server)
    shutil.rmtree(server.data / "store")
    server.start(*PAST, *segments)
    assert (answers(server), judged(server), server.export()) == (told, totals, export)


def test_the_export_of_a_directory_is_that_of_its_server(new_server, end_of):
    server = new_server().start(*PAST)
    fill(server)
    server.settled()
    by_url = tally("export", "--table", "cells", "--url", server.url)
    assert by_url.returncode == 0 and by_url.stderr == ""
    assert by_url.stdout == server.export() and read_cells(by_url.stdout) == CELLS
    end_of(server)
    assert server.export_offline() == by_url.stdout
    shutil.rmtree(server.data / "store")
    assert server.export_offline() == by_url.stdout
    server.start()
    assert server.status()["rules"]["lateness_ms"] == 96 * 3_600_000, "an export changes no rules"


@pytest.mark.every_build
def test_a_second_server_on_a_directory_says_so(new_server):
    server = new_server().start()
    other = new_server(server.directory)
    other.starts = 100  # a log of its own
    other.launch()
    assert other.exit_code() == 1
    assert str(server.data) in other.log() and "in use" in other.log() and str(server.process.pid) in other.log()
    assert server.get("/readyz").status == 200
    done = tally("export", "--table", "cells", "--data", server.data)
    assert done.returncode == 1 and "in use" in done.stderr and done.stdout == ""


# --- damage ---

def written_end(path):
    """The last byte that is not 0, and one."""
    return len(path.read_bytes().rstrip(b"\0"))


def assert_keeps_torn(server, acknowledged, garbage):
    wait_until(lambda: "torn" in server.log() and ".torn" in server.log(), "a word about the torn tail")
    [torn] = server.journal_files("*.torn")
    assert garbage in torn.read_bytes()
    assert server.status()["journal"]["torn_bytes"] == torn.stat().st_size
    assert read_cells(server.export()) == count_lines(acknowledged)


@pytest.mark.every_build
@pytest.mark.parametrize("place", ["behind the last record", "behind the end of the file"])
def test_a_torn_tail_is_put_aside_and_nothing_acknowledged_is_lost(new_server, place):
    server = new_server().start(*PAST)
    fill(server)
    server.settled()
    server.kill()
    segment = server.journal_files()[-1]
    garbage = bytes(range(1, 256)) * 3
    with segment.open("r+b") as file:
        file.seek(-(-written_end(segment) // 8) * 8 if place == "behind the last record" else 0,
                  os.SEEK_SET if place == "behind the last record" else os.SEEK_END)
        file.write(garbage)
    server.start(*PAST)
    assert_keeps_torn(server, LINES, garbage)
    fill(server, [click(time="2017-11-07 10:00:00").log_line()])
    server.kill()
    server.start(*PAST)
    assert server.settled()["counted"] == len(set(LINES)) + 1
    assert len(server.journal_files("*.torn")) == 1


@pytest.mark.every_build
def test_half_of_a_record_is_a_torn_tail(new_server):
    """A record that was never acknowledged: its beginning is on disk, its end is not."""
    server = new_server().start(*PAST)
    fill(server, LINES[:1000])
    server.settled()
    segment = server.journal_files()[-1]
    begin = written_end(segment)
    fill(server, LINES[1000:1500])
    server.kill()
    end = written_end(segment)
    assert end > begin + 4000
    shutil.rmtree(server.data / "store")  # it may have counted what now never happened
    with segment.open("r+b") as file:
        file.seek(begin + 4000)
        file.write(bytes(end - begin - 4000))
    server.start(*PAST)
    assert_keeps_torn(server, LINES[:1000], b"")
    fill(server)
    assert read_cells(server.export()) == CELLS


def assert_refuses(server, segment, *flags):
    server.launch(*PAST, *flags)
    assert server.exit_code() == 1, server.log()
    assert segment.name in server.log() and re.search(r"\b(byte|offset) \d+", server.log())
    # At once: nothing was served before.
    assert server.events("failed") and not server.events("ready")


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.write_bytes(data)


@pytest.mark.every_build
@pytest.mark.parametrize("store", ["with its store", "without its store"])
@pytest.mark.parametrize("where", [0.1, 0.5, 0.9])
def test_a_flipped_byte_in_a_sealed_segment_is_refused_with_its_place(new_server, store, where):
    server = new_server().start(*PAST, *SMALL)
    fill(server)
    server.settled()
    server.stop()
    if store == "without its store":
        shutil.rmtree(server.data / "store")
    segments = server.journal_files()
    assert len(segments) > 5
    segment = segments[2]
    flip(segment, int(segment.stat().st_size * where))
    before = [(path.name, path.read_bytes()) for path in server.journal_files("*")]
    assert_refuses(server, segment, *SMALL)
    assert [(path.name, path.read_bytes()) for path in server.journal_files("*")] == before, "evidence stays as it was"
    flip(segment, int(segment.stat().st_size * where))
    server.start(*PAST, *SMALL)
    assert read_cells(server.export()) == CELLS


@pytest.mark.parametrize("where", ["header", "footer"])
def test_a_flipped_byte_in_the_frame_of_a_segment_is_refused_with_its_place(new_server, where):
    server = new_server().start(*PAST, *SMALL)
    fill(server)
    server.stop()
    segment = server.journal_files()[1]
    flip(segment, 20 if where == "header" else segment.stat().st_size - 20)
    assert_refuses(server, segment, *SMALL)


@pytest.mark.every_build
def test_a_bad_record_before_a_good_one_is_damage_also_in_an_unsealed_segment(new_server):
    server = new_server().start(*PAST)
    fill(server)
    server.settled()
    server.kill()
    segment = server.journal_files()[-1]
    flip(segment, written_end(segment) // 2)
    assert_refuses(server, segment)


def test_a_missing_segment_is_refused(new_server):
    server = new_server().start(*PAST, *SMALL)
    fill(server)
    server.stop()
    segment = server.journal_files()[2]
    segment.unlink()
    server.launch(*PAST, *SMALL)
    assert server.exit_code() == 1 and segment.name in server.log()


def test_a_journal_that_lost_what_the_store_counted_is_refused(new_server):
    server = new_server().start(*PAST)
    fill(server)
    server.stop()
    [segment] = server.journal_files()
    kept = segment.read_bytes()
    segment.unlink()
    server.launch(*PAST)
    assert server.exit_code() in (1, 2) and "journal" in server.log()
    segment.write_bytes(kept)
    server.start(*PAST)
    assert read_cells(server.export()) == CELLS


def test_every_restart_ends_in_order(new_server):
    server = new_server()
    for number in range(5):
        server.start()
        server.post(click(user=f"user {number}").log_line(), "text/plain")
        server.stop()
        assert server.events()[-1]["event"] == "stopped"
    server.start()
    assert server.settled()["counted"] == 5


def test_a_stop_waits_for_the_answer_to_a_request_under_way(new_server):
    """SIGTERM while a body is half there: the server ends in order all the same."""
    server = new_server().start()
    with server.connect_raw() as connection:
        connection.sendall(b"POST /v1/clicks HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 500\r\n\r\n" +
                           click().log_line().encode() + b"\n[Ad")
        assert server.post(click(user="user 2").log_line(), "text/plain").status == 200
        server.stop()
    server.start()
    assert server.settled()["counted"] >= 1


@pytest.mark.parametrize("signal_name", ["SIGINT"])
def test_ctrl_c_stops_in_order_too(server, signal_name):
    import signal
    server.process.send_signal(getattr(signal, signal_name))
    assert server.exit_code() == 0
