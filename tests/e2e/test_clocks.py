"""Time that passes in odd ways: a stopped process, a day in minutes, clocks that are stepped forward and back."""
import collections
import datetime
import random
import signal
import time

import pytest

from clicks import Click, read_cells
from faults import WallClock
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
        self.batches, self.copies, self.refused = [], 0, 0
        self.sealed = {}  # what was told of it when it was

    def send(self, clicks):
        """libfaketime now and then tells a thread the true time, hours behind: clicks are refused until it is asked again."""
        lines = [click.json_line() for click in clicks]

        def taken():
            answer = self.server.post_lines(lines, "application/x-ndjson")
            self.refused += answer.status != 200
            return answer.status == 200

        wait_until(taken, "they are taken")

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


@pytest.mark.parametrize("step_seconds, max_skew", [(3000, "1h"), pytest.param(540, "10m", marks=pytest.mark.soak)])
def test_a_day_is_counted_sealed_and_never_changed(new_server, tmp_path, step_seconds, max_skew):
    """It passes in steps, each within what the clock may be off, thus taken over one by one, and in a minute or so. The server
    is killed now and then."""
    clock = WallClock(tmp_path)
    flags = ("--max-skew", max_skew, "--lateness", "1h", "--checkpoint-interval", "100ms", "--segment-size", "64KiB",
             "--http-threads", "1")
    server = new_server().start(*flags, env=clock.env)
    begun = clock.now()
    day = LongDay(server, clock)
    steps = DAY // step_seconds + 1
    for number in range(steps):
        day.step(number, step_seconds)
        if number % (steps // 4) == 3:
            server.kill()
            server.start(*flags, env=clock.env)
        if number % (steps // 4) == 0:
            day.note_sealed()
    day.note_sealed()
    assert len(day.sealed) >= 20
    print(f"{(clock.now() - begun).total_seconds() / 3600:.1f} h in {steps} steps, {len(day.batches)} batches, {day.copies} copies; "
          f"refused {day.refused} times")
    day.assert_exact()


# --- stepped ---

@pytest.mark.parametrize("seconds", [7200, DAY])
def test_a_clock_that_steps_forward_stops_intake_and_time_until_it_is_back_or_the_server_starts_anew(new_server, tmp_path, seconds):
    clock = WallClock(tmp_path)
    clock.step(30 * DAY)
    server = new_server().start("--lateness", "96h", env=clock.env)
    sent = []

    def send():
        click = Click("ad1", clock.now().replace(microsecond=0), "user", "10.1.0.1", "USA", f"{len(sent)}")
        answer = server.post(click.json_line())
        if answer.status == 200:
            sent.append(click)
        elif answer.status == 503:
            assert int(answer.headers["Retry-After"]) >= 1
        else:  # libfaketime has not told the server of the step yet, or tells it the true time for a moment
            assert answer.json()["errors_by_code"] == {"future_timestamp": 1}
            return None
        return answer.status == 200

    def assert_refuses_and_stands_still():
        wait_until(lambda: send() is False, "clicks are refused")
        assert b"\nclock waits: " in server.get("/readyz?verbose").body
        wait_until(lambda: all(partition["offset"] == partition["journal_end"] for partition in server.status()["partitions"]),
                   "all is seen")
        watermark = server.status()["watermark"]
        time.sleep(1.5)  # in which two ticks would be due
        assert server.status()["watermark"] == watermark and send() is not True
        assert server.settled()["counted"] == len(sent) == server.count("ad1", "?from=202001010000&to=204001010000")

    wait_until(send, "clicks are taken")
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
    clock.step(seconds)
    wait_until(server.is_ready, "ready")
    wait_until(send, "the clock has come to where the journal is")
    assert server.settled()["counted"] == len(sent)
    assert read_cells(server.export()) == dict(collections.Counter((click.ad, click.minute) for click in sent))
