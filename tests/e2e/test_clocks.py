"""Time that passes in odd ways: a stopped process, a day in minutes, clocks that are stepped forward and back."""
import collections
import datetime
import random
import signal
import threading
import time

import pytest

from clicks import Click, read_cells
from faults import Clock, WallClock
from load import ADS, Load, assert_exact, at_minute, make_filters, now, of_now
from server import free_port, wait_until

DAY = 86_400


# --- stopped ---

def ask_unanswered(server, count):
    """Connections on which a question is asked that a server which stands still cannot even read."""
    asked = [server.connect() for _ in range(count)]
    for connection in asked:
        connection.request("GET", "/readyz")
    return asked


@pytest.mark.parametrize("seconds, idle_timeout", [(3, "2s"), pytest.param(60, "20s", marks=pytest.mark.soak)])
def test_a_server_that_stood_still_goes_on_exactly(new_server, seconds, idle_timeout):
    """SIGSTOP, for longer than any connection may be silent and than ticks and checkpoints wait. The senders lose patience and
    send again; what has waited for the server all the time is not cut for that."""
    server = new_server(port=free_port()).start("--http-idle-timeout", idle_timeout, "--checkpoint-interval", "100ms")
    make_filters(server)
    load = Load("stopped", server.port, of_now(), senders=3, size=20, pause=0.02, timeout=1.0).start()
    asked = []
    try:
        wait_until(lambda: load.acknowledged() > 200, "some are acknowledged")
        server.process.send_signal(signal.SIGSTOP)
        asked = ask_unanswered(server, 30)
        time.sleep(seconds)
        server.process.send_signal(signal.SIGCONT)
        assert [connection.getresponse().status for connection in asked] == [200] * len(asked)
        acknowledged = load.acknowledged()
        wait_until(lambda: load.acknowledged() > acknowledged, "it goes on")
        load.finish()
        ended = now() - datetime.timedelta(seconds=15)
        wait_until(lambda: at_minute(server.status()["watermark"]) > ended, "time goes on without clicks")
    finally:
        load.end()
        for connection in asked:
            connection.close()
    assert load.statuses()["TimeoutError"] > 0
    assert not server.events("clock_untrusted"), server.log()
    assert_exact(server, load.clicks(), filtered=True)


# --- a day ---

class LongDay:
    """Clicks all along a day, and copies of them at any later time."""

    def __init__(self, server, clock):
        self.server, self.clock = server, clock
        self.chance = random.Random(24)
        self.batches, self.copies = [], 0
        self.sealed = {}  # what was told of it when it was

    def send(self, clicks):
        """It may be refused while the server happens to look at two clocks around a step."""
        lines = [click.json_line() for click in clicks]
        wait_until(lambda: self.server.post_lines(lines, "application/x-ndjson").status == 200, "it is taken")

    def step(self, number, seconds):
        self.clock.step(seconds)
        now = self.clock.now().replace(microsecond=0)
        clicks = [Click(self.chance.choice(ADS), now - datetime.timedelta(seconds=self.chance.randrange(90)), "user 1", "10.1.0.1",
                        "USA", f"{number}-{line}") for line in range(20)]
        self.send(clicks)
        self.batches.append(clicks)
        old = self.chance.choice(self.batches)
        self.send(old)
        self.copies += len(old)

    def note_sealed(self):
        """What is sealed does not change any more."""
        self.server.settled()
        first = min(click.minute for click in self.batches[0])
        told = self.server.get(f"/v1/ads/{ADS[0]}/series?from={first}&to={self.clock.now():%Y-%m-%dT%H:%M:00Z}&step=hour").json
        begin = at_minute(told["from"])
        for hour, count in enumerate(told["counts"]):
            at = begin + datetime.timedelta(hours=hour)
            end = at + datetime.timedelta(hours=1)
            state = self.server.get(f"/v1/ads/{ADS[0]}/aggregated_cnt?from={at:%Y%m%d%H%M}&to={end:%Y%m%d%H%M}").json["state"]
            if at in self.sealed:
                assert (state, count) == ("sealed", self.sealed[at])
            elif state == "sealed":
                self.sealed[at] = count

    def assert_exact(self):
        clicks = [click for batch in self.batches for click in batch]
        totals = self.server.settled()
        assert totals["counted"] == len(clicks) and totals["accepted"] == len(clicks) + self.copies
        assert totals["duplicate"] + totals["too_late"] == self.copies
        assert totals["duplicate"] > 0 and totals["too_late"] > 0
        assert read_cells(self.server.export()) == dict(collections.Counter((click.ad, click.minute) for click in clicks))


def test_a_day_in_steps_of_nine_minutes_is_counted_sealed_and_never_changed(new_server, tmp_path):
    """Each step is within what the clock may be off, thus taken over one by one; the server is killed now and then."""
    clock = WallClock(tmp_path)
    flags = ("--max-skew", "10m", "--lateness", "1h", "--checkpoint-interval", "100ms", "--segment-size", "64KiB")
    server = new_server().start(*flags, env=clock.env)
    day = LongDay(server, clock)
    for number in range(DAY // 540):
        day.step(number, 540)
        if number % 40 == 39:
            server.kill()
            server.start(*flags, env=clock.env)
        if number % 20 == 19:
            day.note_sealed()
    assert len(day.sealed) >= 20
    day.assert_exact()


class Hurry(threading.Thread):
    """All clocks of a server go 1440 times as fast, in steps of a few seconds."""
    PAUSE_SECONDS, RATE = 0.005, 1440

    def __init__(self, clock):
        super().__init__(daemon=True)
        self.clock, self.ending = clock, threading.Event()

    def run(self):
        begun = time.monotonic()
        while not self.ending.wait(self.PAUSE_SECONDS):
            self.clock.step((time.monotonic() - begun) * (self.RATE - 1) - self.clock.ahead)

    def end(self):
        self.ending.set()
        self.join()


@pytest.mark.parametrize("seconds", [5, pytest.param(61, marks=pytest.mark.soak)], ids=["two hours", "a day"])
def test_a_day_that_passes_in_a_minute_is_counted_exactly(new_server, tmp_path, seconds):
    """A minute closes every 42 ms, and the ticks never end."""
    clock = Clock(tmp_path)
    server = new_server(port=free_port()).start("--http-idle-timeout", "1h", env=clock.env)
    make_filters(server)
    hurry, begun = Hurry(clock), clock.now()
    load = Load("day", server.port, of_now(clock.now), senders=2, size=20, pause=0.01).start()
    try:
        hurry.start()
        wait_until(lambda: (clock.now() - begun).total_seconds() > seconds * 1440, "the day is over", seconds=4 * seconds + 60)
        load.finish()
    finally:
        hurry.end()
        load.end()
    clicks = load.clicks()
    assert len({click.minute for click in clicks}) > seconds
    clock.step(300)
    last = max(click.time for click in clicks)
    wait_until(lambda: at_minute(server.status()["watermark"]) > last + datetime.timedelta(minutes=2), "the last minute closes")
    assert server.get(f"/v1/ads/{ADS[0]}/aggregated_cnt?last=1").json["state"] == "closed"
    print(f"{(max(click.time for click in clicks) - begun).total_seconds() / 3600:.1f} hours, {len(clicks)} clicks in "
          f"{len({click.minute for click in clicks})} minutes; answers: {dict(load.statuses())}")
    assert_exact(server, clicks, filtered=True)


# --- stepped ---

@pytest.mark.parametrize("seconds", [7200, DAY])
def test_a_clock_that_steps_forward_stops_intake_and_time_until_it_is_back_or_the_server_starts_anew(new_server, tmp_path, seconds):
    clock = WallClock(tmp_path)
    server = new_server().start("--lateness", "96h", env=clock.env)
    sent = []

    def send():
        click = Click("ad1", clock.now().replace(microsecond=0), "user", "10.1.0.1", "USA", f"{len(sent)}")
        answer = server.post(click.json_line())
        if answer.status == 200:
            sent.append(click)
        else:
            assert answer.status == 503 and int(answer.headers["Retry-After"]) >= 1
        return answer.status == 200

    def assert_refuses_and_stands_still():
        wait_until(lambda: not send(), "clicks are refused")
        assert b"\nclock waits: " in server.get("/readyz?verbose").body
        wait_until(lambda: all(partition["offset"] == partition["journal_end"] for partition in server.status()["partitions"]),
                   "all is seen")
        watermark = server.status()["watermark"]
        time.sleep(1.5)  # in which two ticks would be due
        assert server.status()["watermark"] == watermark and not send()
        assert server.settled()["counted"] == len(sent) == server.count("ad1", "?from=202001010000&to=204001010000")

    assert send()
    clock.step(seconds)
    assert_refuses_and_stands_still()
    clock.step(-seconds)
    wait_until(send, "the clock is back, so clicks are taken")
    clock.step(seconds)
    assert_refuses_and_stands_still()
    server.kill()
    server.start(env=clock.env)
    wait_until(send, "a start takes the clock as it is")

    clock.step(-seconds)  # and this was the true time
    assert_refuses_and_stands_still()
    server.stop()
    server.launch(env=clock.env)
    wait_until(server.listening, "it listens")
    wait_until(lambda: server.get("/livez").status == 200, "it lives")
    print(server.get("/readyz?verbose").body, server.log())
    clock.step(seconds)
    wait_until(server.is_ready, "ready")
    wait_until(send, "the clock has come to where the journal is")
    assert server.settled()["counted"] == len(sent)
    assert read_cells(server.export()) == dict(collections.Counter((click.ad, click.minute) for click in sent))
