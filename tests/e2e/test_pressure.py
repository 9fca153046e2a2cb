"""Back-pressure: full means 503 with Retry-After, and nothing that was accepted is lost."""
import pytest

from clicks import click, read_cells
from server import tally, wait_until

SMALL = ("--dedup-memory", "1MiB", "--lateness", "96h")
BATCH = 500


def batch(number, when="2021-01-01 00:00:01"):
    return [click(f"ad{number}", when, user=f"user {line}").log_line() for line in range(BATCH)]


def fill(server, first=0):
    """The numbers of accepted batches, and the answer that ended them."""
    for number in range(first, first + 1000):
        answer = server.post_lines(batch(number))
        if answer.status != 200:  # perhaps only because of what waits to be judged: all of it might find the same place
            server.settled()
            answer = server.post_lines(batch(number))
        if answer.status != 200:
            return list(range(first, number)), answer
        assert answer.json == {"received": BATCH, "accepted": BATCH, "rejected": 0}
    raise AssertionError("it never was full")


@pytest.mark.every_build
def test_a_full_memory_of_identities_refuses_clicks_and_loses_none(new_server, tmp_path):
    server = new_server().start(*SMALL)
    accepted, answer = fill(server)
    status = server.status()["dedup"]
    assert len(accepted) * BATCH > status["entries_max"] / 2 and status["runs"] > 0 and status["file_bytes"] > 0
    assert len(accepted) * BATCH * 32 > 4 * status["bytes_max"], "what is remembered is not bounded by the memory"
    [warning] = wait_until(lambda: server.events("dedup_memory_low"), "the warning")
    assert warning["level"] == "warn" and warning["entries_max"] == status["entries_max"]
    assert 0.8 * warning["entries_max"] <= warning["entries"] + 1 and "--dedup-memory" in warning["message"]
    assert (answer.status, answer.type) == (503, "application/problem+json")
    assert int(answer.headers["Retry-After"]) >= 1 and "dedup-memory" in answer.json["detail"]

    def assert_all_there():
        totals = server.settled()
        assert totals["accepted"] >= len(accepted) * BATCH and totals["counted"] == totals["accepted"] - totals["duplicate"]
        cells = read_cells(server.export())
        assert [cells[f"ad{number}", "2021-01-01T00:00:00Z"] for number in accepted] == [BATCH] * len(accepted)
        assert server.get("/v1/ads/popular_ads?at=202101010000").json["ads"][0]["count"] == BATCH
        status = server.status()["dedup"]
        assert status["bytes"] <= status["bytes_max"]

    assert_all_there()
    assert server.get("/livez").status == 200
    more, answer = fill(server, len(accepted))
    assert answer.status == 503 and len(more) < len(accepted) / 5
    accepted += more
    path = tmp_path / "more.log"
    path.write_text("".join(line + "\n" for line in batch(5000)))
    sent = tally("send", "--url", server.url, "--give-up", "500ms", path)
    assert sent.returncode == 1 and "dedup-memory" in sent.stderr
    for end in (server.kill, server.stop):
        end()
        server.start(*SMALL)
        assert_all_there()
        more, answer = fill(server, accepted[-1] + 1)  # runs that were merged otherwise leave a little room
        assert answer.status == 503 and len(more) < len(accepted) / 5
        accepted += more
        assert_all_there()
    server.stop()
    server.start("--dedup-memory", "64MiB")
    assert_all_there()
    assert server.events("dedup_memory_low") == []
    assert server.post_lines(batch(5001)).status == 200
    assert server.settled()["counted"] >= (len(accepted) + 1) * BATCH


def test_the_passing_of_the_horizon_makes_room(new_server):
    server = new_server().start("--dedup-memory", "1MiB", "--delay", "0s", "--lateness", "0s", "--horizon", "1m")
    old, more_than_fit = 150_000, 340_000
    for number in range(old // BATCH):  # 503 while many wait to be counted: they might all go to one partition
        wait_until(lambda: server.post_lines(batch(number, "2021-01-01 12:00:00")).status == 200, "room")
    # The clock of the load goes on by itself from here: at 12:01:00 what came first is forgotten.
    accepted = []

    def fills():
        if server.post_lines(batch(1000 + len(accepted), "2021-01-01 12:00:58")).status == 200:
            accepted.append(BATCH)
        return old + sum(accepted) >= more_than_fit

    assert old < server.status()["dedup"]["entries_max"] < more_than_fit
    wait_until(fills, "room for more than fits at once", seconds=30)
    totals = server.settled()
    assert totals["counted"] + totals["duplicate"] + totals["too_late"] == totals["accepted"] >= more_than_fit


def test_a_memory_that_can_never_take_a_click_is_refused_or_takes_one(new_server):
    """64 partitions share the least memory that a setting may give."""
    server = new_server().launch("--dedup-memory", "1MiB", "--partitions", "64")
    wait_until(lambda: server.process.poll() is not None or server.listening() and server.is_ready(), "ready, or refused")
    if server.process.poll() is None:
        assert server.post_lines([click().log_line()]).status == 200
    else:
        assert server.process.returncode == 2 and "dedup.memory" in server.log()
