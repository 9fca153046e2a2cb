"""Questions, and the forms of their answers."""
import datetime
import re

import pytest

from clicks import MINUTE, at, click

DAY = "2021-01-01"
# Clicks of each ad in minutes of one day. One partition, so that the watermark is 15 s behind the newest.
COUNTS = {
    ("early", "10:00"): 1, ("early", "10:50"): 1, ("early", "11:40"): 1,
    ("b", "12:00"): 3, ("a", "12:00"): 3, ("c", "12:00"): 5, ("c/d", "12:00"): 1, ("c d", "12:00"): 2,
    ("a", "12:01"): 1, ("b", "12:01"): 2, ("ä", "12:01"): 2, ("a", "12:02"): 7,
}
NEWEST = at(DAY + " 12:02:40")


def minute(text):
    return f"{DAY}T{text}:00Z"


def counted(ad, begin, end):
    return sum(count for (name, at_minute), count in COUNTS.items() if name == ad and begin <= minute(at_minute) < end)


@pytest.fixture(scope="module")
def asked(shared_server):
    """The module's server, with the clicks above, one lateness of an hour."""
    shared_server.stop()
    shared_server.data = shared_server.directory / "asked"
    shared_server.start("--partitions", "1", "--lateness", "1h")
    lines = [click(ad, f"{DAY} {when}:{20 + number:02}", user=f"user {number}").log_line()
             for (ad, when), count in COUNTS.items() for number in range(count)]
    lines.append(click("a", f"{NEWEST:%Y-%m-%d %H:%M:%S}", user="last").log_line())
    COUNTS["a", "12:02"] = 8
    assert shared_server.post_lines(lines).status == 200
    assert shared_server.settled()["counted"] == len(lines)
    return shared_server


def ask(server, path):
    answer = server.get(path)
    assert answer.status == 200, answer.body
    assert answer.type == "application/json"
    said = answer.json
    assert said["filter_id"] == 0 and said["state"] in ("open", "closed", "sealed") and isinstance(said["version"], int)
    assert said["watermark"] is None or re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", said["watermark"])
    return said


def time_of(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


# --- aggregated_cnt ---

@pytest.mark.parametrize("ad, in_path", [("a", "a"), ("b", "b"), ("c", "c"), ("c/d", "c%2Fd"), ("c/d", "c%2fd"),
                                         ("c d", "c%20d"), ("ä", "%C3%A4"), ("nobody", "nobody"), ("popular_ads", "popular_ads")])
def test_an_ad_is_counted_in_a_range_of_minutes(asked, ad, in_path):
    for begin, end in [("12:00", "12:01"), ("12:00", "12:03"), ("12:01", "12:02"), ("00:00", "23:59"), ("13:00", "14:00")]:
        said = ask(asked, f"/v1/ads/{in_path}/aggregated_cnt?from={minute(begin)}&to={minute(end)}")
        assert said["ad_id"] == ad
        assert (said["from"], said["to"]) == (minute(begin), minute(end))
        assert said["count"] == counted(ad, minute(begin), minute(end))


@pytest.mark.parametrize("begin, end", [
    ("2021-01-01T12:00:00Z", "2021-01-01T12:02:00Z"), ("2021-01-01T13:00:00%2B01:00", "2021-01-01T06:32:00-05:30"),
    ("2021-01-01t12:00:00z", "2021-01-01T12:02:00.000Z"), ("1609502400000", "1609502520000"), ("1609502400", "1609502520"),
    ("202101011200", "202101011202"), ("2021-01-01T12:00:59.999Z", "1609502579999"), ("1609502459", "202101011202")])
def test_a_range_is_taken_in_every_form_and_rounded_down_to_minutes(asked, begin, end):
    said = ask(asked, f"/v1/ads/a/aggregated_cnt?from={begin}&to={end}")
    assert (said["from"], said["to"], said["count"]) == (minute("12:00"), minute("12:02"), 4)


def test_the_alias_answers_the_same(asked):
    query = f"?from={minute('12:00')}&to={minute('12:02')}"
    said = ask(asked, "/v1/ads/b/aggregated_count" + query)
    assert said | {"version": 0, "watermark": 0} == ask(asked, "/v1/ads/b/aggregated_cnt" + query) | {"version": 0, "watermark": 0}


@pytest.mark.parametrize("query, minutes", [("", 1), ("?last=1", 1), ("?last=2", 2), ("?last=120", 120), ("?last=44640", 44640)])
def test_the_last_minutes_end_with_the_last_closed_one(asked, query, minutes):
    said = ask(asked, "/v1/ads/a/aggregated_cnt" + query)
    end = time_of(said["watermark"]).replace(second=0, microsecond=0)
    assert time_of(said["to"]) == end and time_of(said["from"]) == end - datetime.timedelta(minutes=minutes)
    assert said["count"] == counted("a", said["from"], said["to"])
    assert said["state"] == "closed"


def test_a_range_says_how_final_it_is(asked):
    assert ask(asked, f"/v1/ads/a/aggregated_cnt?from={minute('10:00')}&to={minute('10:01')}")["state"] == "sealed"
    assert ask(asked, f"/v1/ads/a/aggregated_cnt?from={minute('12:00')}&to={minute('12:01')}")["state"] == "closed"
    assert ask(asked, f"/v1/ads/a/aggregated_cnt?from={minute('12:02')}&to={minute('12:30')}")["state"] == "open"
    assert ask(asked, f"/v1/ads/a/aggregated_cnt?from={minute('10:00')}&to={minute('12:01')}")["state"] == "closed"
    assert ask(asked, f"/v1/ads/a/aggregated_cnt?from={minute('10:00')}&to={minute('12:30')}")["state"] == "open"


def test_before_the_first_click_there_is_no_watermark_and_no_count(server):
    said = ask(server, "/v1/ads/a/aggregated_cnt")
    assert (said["count"], said["watermark"], said["state"]) == (0, None, "open")
    said = ask(server, "/v1/ads/popular_ads")
    assert (said["ad_ids"], said["ads"], said["watermark"]) == ([], [], None)
    assert ask(server, "/v1/ads/a/aggregated_cnt?from=202101010000&to=202101010001")["count"] == 0
    assert server.status()["watermark"] is None


def test_while_no_minute_is_closed_the_newest_with_a_click_stands_in(new_server):
    server = new_server().start("--partitions", "1")
    server.post(click(time="2021-01-01 00:00:01").log_line(), "text/plain")
    server.settled()
    said = ask(server, "/v1/ads/ad001/aggregated_cnt")
    assert (said["count"], said["from"], said["state"]) == (1, "2021-01-01T00:00:00Z", "open")
    said = ask(server, "/v1/ads/popular_ads")
    assert (said["ad_ids"], said["update_minute"], said["state"]) == (["ad001"], "2021-01-01T00:00:00Z", "open")


# --- popular_ads ---

def ranked(begin, end):
    ads = {ad for ad, _ in COUNTS}
    counts = [(ad, counted(ad, begin, end)) for ad in ads]
    return sorted([(ad, count) for ad, count in counts if count > 0], key=lambda pair: (-pair[1], pair[0].encode()))


@pytest.mark.parametrize("window", [1, 2, 3, 60, 1440])
@pytest.mark.parametrize("last", ["11:40", "12:00", "12:01", "12:02", "12:30"])
def test_ads_are_ranked_by_count_and_then_by_their_bytes(asked, window, last):
    end = at(f"{DAY} {last}:00") + datetime.timedelta(minutes=1)
    begin = (end - datetime.timedelta(minutes=window)).strftime(MINUTE)
    said = ask(asked, f"/v1/ads/popular_ads?window={window}&at={minute(last)}")
    assert [(ad["ad_id"], ad["count"]) for ad in said["ads"]] == ranked(begin, end.strftime(MINUTE))
    assert said["ad_ids"] == [ad["ad_id"] for ad in said["ads"]]
    assert (said["window"], said["update_minute"]) == (window, minute(last))


def test_a_ranking_is_cut_at_its_count(asked):
    whole = ask(asked, f"/v1/ads/popular_ads?window=60&at={minute('12:02')}")["ad_ids"]
    for count in (1, 2, len(whole), 1000):
        assert ask(asked, f"/v1/ads/popular_ads?window=60&at={minute('12:02')}&count={count}")["ad_ids"] == whole[:count]


def test_a_ranking_is_by_default_of_the_last_closed_minute(asked):
    said = ask(asked, "/v1/ads/popular_ads")
    end = time_of(said["watermark"]).replace(second=0, microsecond=0)
    assert time_of(said["update_minute"]) == end - datetime.timedelta(minutes=1) and said["window"] == 1
    assert [(ad["ad_id"], ad["count"]) for ad in said["ads"]] == ranked(said["update_minute"], end.strftime(MINUTE))


def test_a_ranking_has_at_most_a_hundred_ads_unless_asked_for_more(new_server):
    server = new_server().start("--partitions", "1")
    server.post_lines([click(f"ad{number:04}").log_line() for number in range(1200)])
    server.settled()
    at_minute = "at=202101010000"
    assert len(ask(server, f"/v1/ads/popular_ads?{at_minute}")["ads"]) == 100
    said = ask(server, f"/v1/ads/popular_ads?{at_minute}&count=1000")
    assert said["ad_ids"] == [f"ad{number:04}" for number in range(1000)]


# --- what is refused ---

@pytest.mark.parametrize("filter_id", ["0", "000"])
def test_filter_0_is_all_clicks(asked, filter_id):
    assert ask(asked, f"/v1/ads/popular_ads?filter={filter_id}&at={minute('12:01')}")["ads"] != []
    assert ask(asked, f"/v1/ads/a/aggregated_cnt?filter={filter_id}&from={minute('12:00')}&to={minute('12:02')}")["count"] == 4


@pytest.mark.parametrize("path", ["/v1/ads/popular_ads?filter=1", "/v1/ads/a/aggregated_cnt?filter=001",
                                  "/v1/ads/a/aggregated_cnt?filter=99999999999999999999"])
def test_a_filter_that_does_not_exist_is_not_found(shared_server, path):
    answer = shared_server.get(path)
    assert (answer.status, answer.type) == (404, "application/problem+json")
    assert "filter" in answer.json["detail"]


@pytest.mark.parametrize("path, named", [
    ("/v1/ads/a/aggregated_cnt?from=yesterday&to=202101010000", "from"),
    ("/v1/ads/a/aggregated_cnt?from=202101010000&to=yesterday", "to"),
    ("/v1/ads/a/aggregated_cnt?from=202101010000", "to"), ("/v1/ads/a/aggregated_cnt?to=202101010000", "from"),
    ("/v1/ads/a/aggregated_cnt?from=202101010001&to=202101010001", "from"),
    ("/v1/ads/a/aggregated_cnt?from=202101010002&to=202101010001", "from"),
    ("/v1/ads/a/aggregated_cnt?from=2021-01-01T00:00:00+01:00&to=202101010001", "from"),
    ("/v1/ads/a/aggregated_cnt?from=&to=202101010001", "from"), ("/v1/ads/a/aggregated_cnt?from=202113010000&to=1", "from"),
    ("/v1/ads/a/aggregated_cnt?last=0", "last"), ("/v1/ads/a/aggregated_cnt?last=x", "last"),
    ("/v1/ads/a/aggregated_cnt?last=-1", "last"), ("/v1/ads/a/aggregated_cnt?last=99999999999999999999", "last"),
    ("/v1/ads/a/aggregated_cnt?last=1&last=1", "last"), ("/v1/ads/a/aggregated_cnt?last=1&from=202101010000&to=202101010001", "last"),
    ("/v1/ads/a/aggregated_cnt?filter=x", "filter"), ("/v1/ads/a/aggregated_cnt?filter=", "filter"),
    ("/v1/ads/a/aggregated_cnt?filter=-1", "filter"), ("/v1/ads/a/aggregated_cnt?filter=0&filter=0", "filter"),
    ("/v1/ads/a/aggregated_cnt?colour=red", "colour"), ("/v1/ads/a/aggregated_cnt?last=%zz", "last"),
    ("/v1/ads/%ff/aggregated_cnt", "ad_id"), ("/v1/ads/%zz/aggregated_cnt", "ad_id"), ("/v1/ads//aggregated_cnt", "ad_id"),
    ("/v1/ads/" + "a" * 129 + "/aggregated_cnt", "ad_id"),
    ("/v1/ads/popular_ads?count=0", "count"), ("/v1/ads/popular_ads?count=1001", "count"), ("/v1/ads/popular_ads?count=1.5", "count"),
    ("/v1/ads/popular_ads?window=0", "window"), ("/v1/ads/popular_ads?window=1441", "window"),
    ("/v1/ads/popular_ads?at=now", "at"), ("/v1/ads/popular_ads?last=1", "last"), ("/v1/status?x=1", "x"), ("/metrics?x=1", "x")])
def test_a_bad_parameter_is_named(shared_server, path, named):
    answer = shared_server.get(path)
    assert (answer.status, answer.type) == (400, "application/problem+json"), answer.body
    problem = answer.json
    assert problem["status"] == 400 and problem["type"] and problem["title"]
    assert re.search(rf"\b{named}\b", problem["detail"])


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/nothing", "/v2/status", "/v1/ads", "/v1/ads/a", "/v1/ads/a/b/aggregated_cnt",
                                  "/v1/ads/a/aggregated", "/v1/status/", "/v1/clicks/1", "//v1/status"])
def test_there_is_nothing_at_another_path(shared_server, path):
    answer = shared_server.get(path)
    assert (answer.status, answer.type) == (404, "application/problem+json")
    assert answer.json["status"] == 404 and answer.json["detail"]


@pytest.mark.parametrize("path", ["/v1/status", "/metrics", "/v1/ads/popular_ads", "/v1/ads/a/aggregated_cnt", "/livez", "/readyz"])
@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT"])
def test_a_question_is_asked_with_get(shared_server, path, method):
    answer = shared_server.ask(method, path, b"")
    assert (answer.status, answer.type) == (405, "application/problem+json")


@pytest.mark.parametrize("path", ["/v1/status", "/metrics", "/v1/ads/a/aggregated_cnt", "/livez", "/readyz"])
def test_head_answers_without_a_body(shared_server, path):
    answer = shared_server.ask("HEAD", path)
    assert answer.status == 200 and answer.body == b"" and int(answer.headers["Content-Length"]) > 0


# --- status, metrics, probes ---

@pytest.mark.every_build
def test_status_has_its_members_and_includes_every_request_answered_before(server):
    for number in range(1, 30):
        assert server.post_lines([click(user=f"user {number}").log_line(), "rubbish"]).status == 400
        totals = server.totals()
        assert (totals["received"], totals["accepted"], totals["rejected"]) == (2 * number, number, number)
        assert totals["rejected_by"] == {"bad_log_line": number}
    totals = server.settled()
    assert totals["counted"] == 29
    assert server.count("ad001", "?from=202101010000&to=202101010001") == 29
    status = server.status()
    assert status["version_info"]["version"]
    rules = status["rules"]
    assert (rules["delay_ms"], rules["lateness_ms"], rules["horizon_ms"]) == (15_000, 86_400_000, 86_460_000)
    assert (rules["max_skew_ms"], rules["partitions"]) == (60_000, 4)
    assert len(status["partitions"]) == 4


def test_once_nothing_is_pending_every_question_sees_all(server):
    for number in range(1, 40):
        server.post(click(user=f"user {number}").log_line(), "text/plain")
        server.settled()
        assert server.count("ad001", "?from=202101010000&to=202101010001") == number
        assert ask(server, "/v1/ads/popular_ads?at=202101010000")["ads"] == [{"ad_id": "ad001", "count": number}]


def test_the_version_of_answers_only_grows_also_over_restarts(server):
    versions = []
    for number in range(6):
        server.post(click(user=f"user {number}").log_line(), "text/plain")
        server.settled()
        versions += [ask(server, "/v1/ads/popular_ads")["version"], server.status()["version"]]
        if number % 2 == 1:
            server.stop() if number == 1 else server.kill()
            server.start()
    assert versions == sorted(versions) and len(set(versions[::2])) == 6


SAMPLE = re.compile(r'([a-z_:][a-z0-9_:]*)(?:\{((?:[a-z_]+="(?:[^"\\]|\\.)*",?)*)\})? (\S+)')


def parse_metrics(text):
    """Strict reading of the Prometheus text format: {name: {labels: value}}; HELP and TYPE stand before the samples."""
    assert text.endswith("\n")
    families, types, current = {}, {}, None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            current = line.split(" ", 3)[2]
            assert current not in families and line.split(" ", 3)[3]
            families[current] = {}
        elif line.startswith("# TYPE "):
            name, kind = line.split(" ")[2:]
            assert name == current and kind in ("counter", "gauge", "histogram")
            types[name] = kind
        else:
            match = SAMPLE.fullmatch(line)
            assert match, line
            name, labels, value = match.groups()
            if types.get(current) == "histogram":
                name = re.sub("_(bucket|sum|count)$", "", name)
                labels = match.group(1).removeprefix(name) + " " + (labels or "")
            assert name == current and name in types and (labels or "") not in families[name]
            families[name][labels or ""] = float(value)
    for name, kind in types.items():
        assert name.startswith("tally_") and name.endswith("_total") == (kind == "counter"), name
    return families


def test_metrics_are_prometheus_text_and_agree_with_status(asked):
    asked.post("rubbish", "text/plain")
    totals = asked.settled()
    answer = asked.get("/metrics")
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    metrics = parse_metrics(answer.body.decode())
    assert metrics["tally_lines_received_total"] == {"": totals["received"]}
    assert metrics["tally_clicks_accepted_total"] == {"": totals["accepted"]}
    assert metrics["tally_lines_rejected_total"]['code="bad_log_line"'] == totals["rejected_by"]["bad_log_line"]
    assert metrics["tally_clicks_total"]['verdict="counted"'] == totals["counted"]
    assert sum(metrics["tally_conservation_violated"].values()) == 0 and metrics["tally_taking_clicks"]
    assert metrics["tally_resident_memory_bytes"][""] > 1e6


def test_probes_answer_ok(shared_server):
    for path in ("/livez", "/readyz"):
        answer = shared_server.get(path)
        assert (answer.status, answer.type, answer.body) == (200, "text/plain", b"ok\n")
