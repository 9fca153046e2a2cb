"""Rankings that are made every minute and kept: read for any past minute, amended by late clicks, and there after a kill."""
import collections
import csv
import datetime
import io
import json
import shutil

import pytest

from clicks import MINUTE, Click, at
from server import wait_until

START = at("2021-01-01 00:00:00")
MINUTES = 12
WINDOWS = (1, 5, 15, 60, 1440)
RANKED, PLAIN = 12, 13  # filters: both of one user, or all but DEU
FAST = ("--lateness", "2h", "--checkpoint-interval", "200ms", "--flush-interval", "200ms")


def minute(number):
    return (START + datetime.timedelta(minutes=number)).strftime(MINUTE)


def made(number, ad, serial, country="USA"):
    """In the number-th minute."""
    time = START + datetime.timedelta(minutes=number, seconds=serial % 60)
    return Click(ad, time, f"user {serial}", "207.148.22.22", country, f"event {number}-{serial}")


CLICKS = [made(number, f"ad{(number * serial) % 7}", serial, ("USA", "DEU")[serial % 3 == 0])
          for number in range(MINUTES) for serial in range(5 + number)]
# Enough in the minutes after that every partition gets some: their watermarks pass the last minute.
CLOSING = [made(MINUTES + 1, "closing", serial) for serial in range(100)]


def send(server, clicks):
    assert server.post("".join(click.json_line() + "\n" for click in clicks)).status == 200
    server.settled()


def matches(filter_id, click):
    return filter_id == 0 or click.country != "DEU"


def ranking_of(clicks, filter_id, window, last):
    counts = collections.Counter(click.ad for click in clicks if matches(filter_id, click)
                                 and minute(last + 1 - window) <= click.minute <= minute(last))
    return [{"ad_id": ad, "count": counts[ad]} for ad in sorted(counts, key=lambda ad: (-counts[ad], ad))]


def ask(server, filter_id, window, last):
    answer = server.get(f"/v1/ads/popular_ads?window={window}&at={minute(last)}&filter={filter_id}")
    assert answer.status == 200, answer.body
    return answer.json


def kept(server):
    """{(filter, window, minute): (version, ads)} of the table."""
    answer = server.get("/v1/export?table=rankings")
    assert answer.status == 200, answer.body
    rows = list(csv.reader(io.StringIO(answer.body.decode())))
    assert rows[0] == ["filter_id", "window", "update_minute", "version", "rank", "ad_id", "count"]
    rankings = {}
    for filter_id, window, update_minute, version, rank, ad, count in rows[1:]:
        entry = rankings.setdefault((int(filter_id), int(window), update_minute), (int(version), []))
        entry[1].append({"ad_id": ad, "count": int(count)})
        assert len(entry[1]) == int(rank) and entry[0] == int(version)
    assert list(rankings) == sorted(rankings)
    return rankings


def expected(clicks):
    return {(filter_id, window, minute(last)): ranking_of(clicks, filter_id, window, last)
            for filter_id in (0, RANKED) for window in WINDOWS for last in range(MINUTES)}


def wait_until_kept(server, clicks):
    """Until every closed minute's rankings are kept, and are what the clicks say; what is kept then."""
    wanted = expected(clicks)

    def there():
        rankings = kept(server)
        return rankings if all(rankings.get(key, (0, None))[1] == ads for key, ads in wanted.items()) else None

    return wait_until(there, "rankings are kept as they must be")


def check_answers(server, clicks):
    for filter_id in (0, RANKED, PLAIN):
        for window in (*WINDOWS, 7):
            for last in range(MINUTES):
                said = ask(server, filter_id, window, last)
                assert said["ads"] == ranking_of(clicks, filter_id, window, last), (filter_id, window, last)
                assert said["exact"] is True and said["complete"] is True
                assert said["published"] is (window != 7 and filter_id != PLAIN)


def begin(new_server, flags=FAST):
    server = new_server().start(*flags)
    filters = [{"filter_id": RANKED, "region": "!DEU", "ranked": True}, {"filter_id": PLAIN, "region": "!DEU"}]
    assert server.ask("POST", "/v1/filters", json.dumps(filters).encode(), {"Content-Type": "application/json"}).status == 201
    send(server, CLICKS)
    send(server, CLOSING)
    wait_until(lambda: ask(server, 0, 1, MINUTES - 1)["state"] == "closed", "the last minute is closed")
    return server


@pytest.mark.every_build
def test_any_past_minute_is_answered_and_what_is_kept_is_amended_by_late_clicks(new_server):
    server = begin(new_server)
    first = wait_until_kept(server, CLICKS)
    check_answers(server, CLICKS)
    before = ask(server, 0, 5, 6)

    late = [made(4, "ad late", serial) for serial in range(1000, 1040)]
    send(server, late)
    clicks = CLICKS + late
    check_answers(server, clicks)
    after = ask(server, 0, 5, 6)
    assert after["version"] > before["version"] and after["ads"][0] == {"ad_id": "ad late", "count": 40}
    amended = wait_until_kept(server, clicks)
    for (filter_id, window, update_minute), (version, ads) in amended.items():
        if update_minute not in map(minute, range(MINUTES)):
            continue
        before = first[filter_id, window, update_minute]
        assert (ads == before[1]) == (version == before[0]), "a version changes with the content, and with it only"
        assert version >= before[0]

    server.kill()
    server.start(*FAST)
    check_answers(server, clicks)
    again = wait_until_kept(server, clicks)
    assert all(again[key] == amended[key] for key in expected(clicks))
    server.stop()
    server.start(*FAST)
    check_answers(server, clicks)
    assert all(kept(server)[key] == amended[key] for key in expected(clicks))


@pytest.mark.every_build
def test_a_lost_store_changes_no_answer_and_a_sealed_ranking_stays(new_server):
    flags = ("--lateness", "5m")
    server = begin(new_server, flags)
    first = wait_until_kept(server, CLICKS)
    send(server, [made(MINUTES + 20, "closing", serial) for serial in range(100)])
    wait_until(lambda: ask(server, 0, 1, MINUTES - 1)["state"] == "sealed", "the last minute is sealed")
    send(server, [made(4, "too late", 7777)])
    assert server.settled()["too_late"] == 1
    check_answers(server, CLICKS)
    last = wait_until_kept(server, CLICKS)
    assert all(first[key] == last[key] for key in expected(CLICKS))
    server.stop()
    shutil.rmtree(server.data / "store")
    server.start(*flags)
    check_answers(server, CLICKS)
    wait_until_kept(server, CLICKS)
