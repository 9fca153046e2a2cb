"""Clicks that the tests make, and how often each ad was clicked in each minute, counted with plain dictionaries."""
import collections
import csv
import dataclasses
import datetime
import io
import ipaddress
import json
import random

UTC = datetime.timezone.utc
MINUTE = "%Y-%m-%dT%H:%M:00Z"


@dataclasses.dataclass(frozen=True)
class Click:
    ad: str
    time: datetime.datetime
    user: str
    ip: str
    country: str
    event_id: str = ""

    def log_line(self):
        return f"[AdClickEvent] {self.ad}, {self.time:%Y-%m-%d %H:%M:%S}, {self.user}, {self.ip}, {self.country}"

    def json_line(self):
        members = {"ad_id": self.ad, "click_timestamp": int(self.time.timestamp()) * 1000, "user_id": self.user,
                   "ip": self.ip, "country": self.country}
        return json.dumps(members | ({"event_id": self.event_id} if self.event_id else {}))

    @property
    def minute(self):
        return self.time.astimezone(UTC).strftime(MINUTE)


def at(text):
    return datetime.datetime.fromisoformat(text).replace(tzinfo=UTC)


def click(ad="ad001", time="2021-01-01 00:00:01", user="user 1", ip="207.148.22.22", country="USA", event_id=""):
    return Click(ad, at(time), user, ip, country, event_id)


def json_line(**members):
    """A good click with other, more or (None) fewer members."""
    whole = {"ad_id": "ad001", "click_timestamp": 1609459201000, "user_id": "user 1", "ip": "207.148.22.22",
             "country": "USA"} | members
    return json.dumps({name: value for name, value in whole.items() if value is not None})


def make_clicks(seed, count, days=3):
    """In the order of their times, with a few copies; half of the ads get most of the clicks."""
    chance = random.Random(seed)
    start = at("2017-11-06 16:00:00")
    seconds = sorted(chance.randrange(days * 86400) for _ in range(count))
    clicks = []
    for number, second in enumerate(seconds):
        ad = f"app{min(chance.randrange(40), chance.randrange(40))}-ch{chance.randrange(8)}"
        made = Click(ad, start + datetime.timedelta(seconds=second), f"dev{chance.randrange(9)}-{number}",
                     f"11.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(256)}",
                     chance.choice(["CHN", "USA", "DEU", "FRA", "JPN"]))
        clicks.append(made)
        if chance.random() < 0.002:
            clicks.append(chance.choice(clicks[-50:]))
    return clicks


def count_lines(lines):
    """{(ad, minute): count} of distinct log lines."""
    counts = collections.Counter()
    for line in dict.fromkeys(lines):
        fields = line.removeprefix("[AdClickEvent] ").split(", ")
        counts[fields[0], at(fields[1]).strftime(MINUTE)] += 1
    return dict(counts)


def read_cells(text, filtered=False):
    """{(ad, minute): count} of an export, whose form and order are checked on the way. `filtered`: there may be cells of
    what filters pick besides."""
    assert text.endswith("\n")
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[0] == ["ad_id", "minute", "atom", "country", "count"]
    keys = [(row[0].encode(), row[1], int(row[2]), row[3]) for row in rows[1:]]
    assert keys == sorted(set(keys)), "sorted by ad and minute, each cell once"
    counts = collections.Counter()
    for ad, minute, atom, _, count in rows[1:]:
        assert int(count) > 0 and (atom == "0" or filtered)
        if atom == "0":
            counts[ad, minute] += int(count)
    return dict(counts)


# --- filters, as a plain loop over the clicks ---

def in_block(block, ip):
    """A masked address is itself, and in a block only if every address that it may stand for is."""
    if "/" not in block:
        return block == ip
    net = ipaddress.ip_network(block)
    if ":" in ip or ":" in block:
        return ":" in ip and ":" in block and ipaddress.ip_address(ip) in net
    return all(ipaddress.ip_address(ip.replace("xxx", octet)) in net for octet in ("0", "255"))


def wants(part, has, is_in):
    if part == "*":
        return True
    return any(is_in(value, has) for value in part.removeprefix("!").split("|")) != part.startswith("!")


def matches(parts, made):
    region, ip, user = parts
    return (wants(region, made.country, lambda value, has: value.upper() == has) and wants(ip, made.ip, in_block)
            and wants(user, made.user, str.__eq__))
