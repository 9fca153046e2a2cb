"""Clicks as a client sends them that wants each to be counted once: with ids of their own, again and again until they are
acknowledged, over whatever happens to the server. What must be counted is then exactly what was sent."""
import collections
import datetime
import http.client
import random
import subprocess
import threading
import time

from clicks import UTC, Click, at, matches, read_cells

ADS = [f"ad{number:02}" for number in range(12)]
COUNTRIES = ["USA", "USA", "CHN", "DEU", "ZZZ"]
FILTERS = {"1": ("!USA", "*", "*"), "2": ("*", "10.1.0.0/16", "user 1|user 2")}
RETRY_SECONDS = 0.01
SECONDS_MAX = 120  # for one batch to be acknowledged, over as many restarts as it takes


def now():
    return datetime.datetime.now(UTC)


def of_now(clock=now):
    """Clicks of the moment at which they are made, as live ones are."""
    return lambda chance: clock().replace(microsecond=0)


def of_a_day(chance):
    """Of any second of one day long ago, in no order."""
    return at("2021-01-01 00:00:00") + datetime.timedelta(seconds=chance.randrange(86_400))


class Sender(threading.Thread):
    """One after another: makes a batch and sends it until it is acknowledged; then now and then an old one once more."""

    def __init__(self, load, number):
        super().__init__(daemon=True)
        self.load, self.number = load, number
        self.chance = random.Random(f"{load.name} {number}")
        self.sent, self.acknowledged = [], []  # batches
        self.statuses = collections.Counter()
        self.connection = None
        self.trouble = None

    def run(self):
        try:
            while not self.load.ending.is_set():
                self.send(self.make())
                if self.acknowledged and self.chance.random() < 0.05:
                    self.post(self.chance.choice(self.acknowledged))
                if self.load.pause:
                    time.sleep(self.load.pause)
        except Exception as trouble:  # for the thread that waits for this one
            self.trouble = trouble

    def make(self):
        clicks = []
        for _ in range(self.chance.randint(1, self.load.size)):
            ip = f"10.{self.chance.randrange(3)}.{self.chance.randrange(9)}.1"
            event_id = f"{self.load.name}-{self.number}-{len(self.sent)}-{len(clicks)}"
            clicks.append(Click(self.chance.choice(ADS), self.load.time_of(self.chance), f"user {self.chance.randrange(9)}", ip,
                                self.chance.choice(COUNTRIES), event_id))
        self.sent.append(clicks)
        return clicks

    def send(self, clicks):
        deadline = time.monotonic() + SECONDS_MAX
        while not self.post(clicks):
            assert time.monotonic() < deadline, f"not acknowledged within {SECONDS_MAX} s: {self.statuses}"
            time.sleep(RETRY_SECONDS)
        self.acknowledged.append(clicks)

    def post(self, clicks):
        """Whether it was acknowledged."""
        body = "".join(click.json_line() + "\n" for click in clicks).encode()
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.load.port, timeout=self.load.timeout)
            self.connection.request("POST", "/v1/clicks", body, {"Content-Type": "application/x-ndjson"})
            response = self.connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.statuses[type(error).__name__] += 1
            self.connection = None
            return False
        self.statuses[response.status] += 1
        if response.status == 200:
            expected = f'{{"received":{len(clicks)},"accepted":{len(clicks)},"rejected":0}}'
            assert answer.decode().replace(" ", "").strip() == expected, answer
            return True
        assert response.status in (408, 429, 503), (response.status, answer)
        if response.status != 408:
            assert int(response.headers["Retry-After"]) >= 1, answer
        return False


class Load:
    """Some senders at once against a port, where a server may come and go."""

    def __init__(self, name, port, time_of, senders=2, size=40, pause=0.0, timeout=SECONDS_MAX):
        self.name, self.port, self.time_of, self.size, self.pause, self.timeout = name, port, time_of, size, pause, timeout
        self.ending = threading.Event()
        self.senders = [Sender(self, number) for number in range(senders)]

    def start(self):
        for sender in self.senders:
            sender.start()
        return self

    def check(self):
        for sender in self.senders:
            if sender.trouble is not None:
                raise sender.trouble

    def acknowledged(self):
        """How many clicks are, as of a moment before the answer is used."""
        self.check()
        return sum(len(batch) for sender in self.senders for batch in sender.acknowledged[:])

    def finish(self):
        """To be called while a server runs: what was sent is then acknowledged, all of it."""
        self.ending.set()
        for sender in self.senders:
            sender.join(SECONDS_MAX)
            assert not sender.is_alive(), "a sender hangs"
        self.check()

    def end(self):
        """Whatever its state: for the end of a test."""
        self.ending.set()

    def clicks(self):
        return [click for sender in self.senders for batch in sender.sent for click in batch]

    def statuses(self):
        return sum((sender.statuses for sender in self.senders), collections.Counter())


def make_filters(server):
    """Before the first click, so that they cover everything."""
    for filter_id, (region, ip, user_id) in FILTERS.items():
        answer = server.ask("POST", "/v1/filters", f'{{"filter_id":"{filter_id}","region":"{region}","ip":"{ip}",'
                            f'"user_id":"{user_id}"}}'.encode(), {"Content-Type": "application/json"})
        assert answer.status == 201, answer.body


def count_by_filter(server, filter_id, minutes):
    """{(ad, minute): count} as the series of each ad tell it."""
    counts = {}
    for ad in ADS:
        first, last = at_minute(minutes[0]), at_minute(minutes[-1]) + datetime.timedelta(minutes=1)
        while first < last:
            until = min(last, first + datetime.timedelta(days=7))
            answer = server.get(f"/v1/ads/{ad}/series?from={first:%Y%m%d%H%M}&to={until:%Y%m%d%H%M}&step=minute&filter={filter_id}")
            assert answer.status == 200, answer.body
            for number, count in enumerate(answer.json["counts"]):
                if count:
                    counts[ad, f"{first + datetime.timedelta(minutes=number):%Y-%m-%dT%H:%M:00Z}"] = count
            first = until
    return counts


def at_minute(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def assert_exact(server, clicks, filtered=False):
    """Each counted once, none besides: totals, cells, and what two filters pick, against a dictionary."""
    totals = server.settled()
    assert totals["counted"] == len(clicks) == len({click.event_id for click in clicks})
    assert totals["duplicate"] == totals["accepted"] - len(clicks)
    assert (totals["conflict"], totals["too_late"], totals["rejected"]) == (0, 0, 0)
    counts = collections.Counter((click.ad, click.minute) for click in clicks)
    assert read_cells(server.export(), filtered) == dict(counts)
    minutes = sorted(minute for _, minute in counts)
    for filter_id, parts in FILTERS.items() if filtered else ():
        assert count_by_filter(server, filter_id, minutes) == dict(collections.Counter(
            (click.ad, click.minute) for click in clicks if matches(parts, click))), filter_id


class Trial:
    """A server under load that is launched with one fault after another. After each it comes up with all that was
    acknowledged, and in the end everything is exact."""

    def __init__(self, server, flags, name, size=20):
        self.server, self.flags = server, flags
        self.load = Load(name, server.port, of_now(), senders=3, size=size, pause=0.02)
        self.restored = 0  # partitions that went on from their files of identities

    def __enter__(self):
        self.server.start(*self.flags)
        make_filters(self.server)
        self.load.start()
        self.server.kill()
        return self

    def __exit__(self, *trouble):
        self.load.end()

    def meet(self, wrap, seconds=3):
        """The exit code of a server that meets the fault, None when it goes on or never gets there."""
        self.server.launch(*self.flags, wrap=wrap)
        try:
            return self.server.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.server.kill()
            return None

    def recover(self):
        acknowledged = self.load.acknowledged()
        self.server.start(*self.flags)
        status = self.server.status()
        assert status["totals"]["accepted"] >= acknowledged
        self.restored += status["dedup"]["partitions_restored"]
        self.server.kill()

    def finish(self):
        self.server.start(*self.flags)
        self.load.finish()
        assert_exact(self.server, self.load.clicks(), filtered=True)
