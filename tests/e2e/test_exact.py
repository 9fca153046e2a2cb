"""Whole files of clicks, sent in every hostile way, give exactly the counts that a dictionary gives.

The clicks are made here. TALLY_REAL_CLICKS=FILE adds a log of real ones; what is known of it stands in FILE.expected.json
(or where TALLY_REAL_EXPECTED says).
"""
import collections
import dataclasses
import json
import os
import pathlib
import random
import subprocess
import threading

import pytest

from clicks import count_lines, make_clicks, read_cells
from server import BINARY, SECONDS_MAX, die_with_parent, environment, free_port, tally, wait_until

PAST = ("--lateness", "96h", "--horizon", "96h1m")
KILLS = 10
REAL = os.environ.get("TALLY_REAL_CLICKS")


@dataclasses.dataclass
class ClickSet:
    lines: list
    cells: dict
    known: dict  # figures that somebody else found

    @property
    def distinct(self):
        return len(set(self.lines))


def made_set():
    lines = [click.log_line() for click in make_clicks(seed=2017, count=20_000)]
    assert 20 < len(lines) - len(set(lines)) < 100
    return ClickSet(lines, count_lines(lines), {})


def real_set():
    path = pathlib.Path(REAL)
    expected = pathlib.Path(os.environ.get("TALLY_REAL_EXPECTED", f"{path}.expected.json"))
    lines = path.read_text().splitlines()
    return ClickSet(lines, count_lines(lines), json.loads(expected.read_text()))


@pytest.fixture(scope="module", params=["made"] + (["real"] if REAL else []))
def clicks(request):
    return made_set() if request.param == "made" else real_set()


def write_lines(path, lines):
    path.write_text("".join(line + "\n" for line in lines))
    return path


def send(server, *files, lines, flags=()):
    done = tally("send", "--url", server.url, "--format", "json", *flags, *files)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"received": lines, "accepted": lines, "rejected": 0}


def assert_exact(server, clicks, accepted=None):
    """`accepted` None: what was sent more than once is not known."""
    totals = server.settled()
    assert accepted is None or totals["accepted"] == accepted
    assert totals["counted"] == clicks.distinct
    assert totals["duplicate"] == totals["accepted"] - clicks.distinct
    assert (totals["conflict"], totals["too_late"], totals["rejected"]) == (0, 0, 0)
    assert read_cells(server.export()) == clicks.cells
    if clicks.known:
        assert_known(server, clicks)


def assert_known(server, clicks):
    known = clicks.known
    cells = read_cells(server.export())
    minutes = sorted(minute for _, minute in cells)
    assert len(clicks.lines) == known["lines"] and len(cells) == known["cells_ad_minute"]
    assert server.settled()["counted"] == known["counted"] == sum(cells.values())
    assert len(clicks.lines) - known["counted"] == known["duplicates"]
    assert len({ad for ad, _ in cells}) == known["ads"] == server.status()["ads"]
    short = [minute.translate(str.maketrans("", "", "-T:Z"))[:12] for minute in (minutes[0], minutes[-1])]
    assert short == [known["first_minute"], known["last_minute"]]
    ads = collections.Counter()
    for (ad, _), count in cells.items():
        ads[ad] += count
    top = sorted(ads.items(), key=lambda pair: (-pair[1], pair[0].encode()))[:10]
    assert [{"ad_id": ad, "count": count} for ad, count in top] == known["top10_whole_range"]
    for entry in known["top10_whole_range"]:
        assert server.count(entry["ad_id"], "?from=201711060000&to=201711120000") == entry["count"]


def assert_answers(server, clicks, chance):
    """Questions agree with the cells, for some ads, ranges and minutes."""
    minutes = sorted({minute for _, minute in clicks.cells})
    for ad, _ in chance.sample(sorted(clicks.cells), 20):
        begin, end = sorted(chance.sample(minutes, 2))
        expected = sum(count for (name, minute), count in clicks.cells.items() if name == ad and begin <= minute < end)
        assert server.count(ad, f"?from={begin}&to={end}") == expected
    for last in chance.sample(minutes, 5):
        counts = sorted([(ad, count) for (ad, minute), count in clicks.cells.items() if minute == last],
                        key=lambda pair: (-pair[1], pair[0].encode()))
        answer = server.get(f"/v1/ads/popular_ads?at={last}").json
        assert [(ad["ad_id"], ad["count"]) for ad in answer["ads"]] == counts[:100]


@pytest.mark.every_build
def test_a_file_sent_once_is_counted_exactly(new_server, tmp_path, clicks):
    server = new_server().start(*PAST)
    send(server, write_lines(tmp_path / "clicks.log", clicks.lines), lines=len(clicks.lines))
    assert_exact(server, clicks, len(clicks.lines))
    assert_answers(server, clicks, random.Random(1))


def test_a_file_sent_twice_is_counted_once(new_server, tmp_path, clicks):
    server = new_server().start(*PAST)
    path = write_lines(tmp_path / "clicks.log", clicks.lines)
    send(server, path, lines=len(clicks.lines))
    send(server, path, lines=len(clicks.lines))
    assert_exact(server, clicks, 2 * len(clicks.lines))


def test_the_order_of_lines_does_not_matter(new_server, tmp_path, clicks):
    server = new_server().start(*PAST)
    shuffled = clicks.lines[:]
    random.Random(2).shuffle(shuffled)
    send(server, write_lines(tmp_path / "clicks.log", shuffled), lines=len(shuffled))
    assert_exact(server, clicks, len(shuffled))
    assert_answers(server, clicks, random.Random(2))


@pytest.mark.every_build
def test_eight_senders_at_once_are_counted_exactly(new_server, tmp_path, clicks):
    server = new_server().start(*PAST)
    senders = []
    for part in range(8):
        path = write_lines(tmp_path / f"part-{part}.log", clicks.lines[part::8])
        command = [BINARY, "send", "--url", server.url, "--batch", "200", str(path)]
        senders.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment(), preexec_fn=die_with_parent))
    try:
        assert [sender.wait(SECONDS_MAX) for sender in senders] == [0] * 8
    finally:
        for sender in senders:
            sender.kill()
            sender.wait()
    assert_exact(server, clicks, len(clicks.lines))


def test_an_ordered_pass_with_the_default_rules_gives_the_same(new_server, tmp_path, clicks):
    server = new_server().start()
    send(server, write_lines(tmp_path / "clicks.log", clicks.lines), lines=len(clicks.lines))
    assert_exact(server, clicks, len(clicks.lines))


class Pipe:
    """`tally send -` that is given lines bit by bit, from a thread, since it may not read for a while."""

    def __init__(self, url):
        command = [BINARY, "send", "--url", url, "--batch", "100", "--format", "json", "-"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, env=environment(), preexec_fn=die_with_parent)
        self.thread = None

    def give(self, lines):
        self.join()
        self.thread = threading.Thread(target=self.write, args=("".join(line + "\n" for line in lines),), daemon=True)
        self.thread.start()

    def write(self, text):
        try:
            self.process.stdin.write(text)
            self.process.stdin.flush()
        except OSError:
            pass  # it ended early: its exit code says so

    def join(self):
        if self.thread is not None:
            self.thread.join(SECONDS_MAX)
            assert not self.thread.is_alive()

    def finish(self):
        self.join()
        output, errors = self.process.communicate(timeout=SECONDS_MAX)
        assert self.process.returncode == 0, errors
        return json.loads(output)

    def end(self):
        self.process.kill()
        self.process.wait()


@pytest.mark.every_build
def test_a_server_killed_ten_times_on_the_way_counts_exactly(new_server, clicks):
    """Checkpoints come often here, so that kills meet them too."""
    flags = (*PAST, "--checkpoint-interval", "200ms", "--flush-interval", "500ms")
    server = new_server(port=free_port()).start(*flags)
    pipe = Pipe(server.url)
    part = len(clicks.lines) // (KILLS + 1) + 1
    try:
        for kill in range(KILLS + 1):
            before = server.totals()["accepted"]
            pipe.give(clicks.lines[kill * part:(kill + 1) * part])
            wait_until(lambda: server.totals()["accepted"] > before, "clicks of this part")
            if kill < KILLS:
                server.kill()
                server.start(*flags)
        sent = pipe.finish()
    finally:
        pipe.end()
    assert sent == {"received": len(clicks.lines), "accepted": len(clicks.lines), "rejected": 0}
    assert server.totals()["accepted"] >= len(clicks.lines)
    assert_exact(server, clicks)
    exported = server.export()
    server.stop()
    assert server.export_offline() == exported
