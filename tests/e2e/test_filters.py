"""Filters: made, asked and deleted over HTTP and with the verbs, against a plain loop over the clicks."""
import collections
import csv
import datetime
import http.server
import io
import json
import random
import shutil
import signal
import subprocess
import threading

import pytest

from clicks import MINUTE, at, click, in_block, matches
from server import BINARY, SECONDS_MAX, die_with_parent, environment, tally

PAST = ("--partitions", "2", "--lateness", "96h")
BEGIN = at("2021-01-01 00:00:00")
MINUTES = 40
ADS = [f"ad{number:03}" for number in range(1, 6)]
IPS = ["123.1.2.3", "207.148.22.22", "10.1.2.3", "10.1.200.9", "10.200.0.1", "10.1.xxx.3", "10.xxx.2.3", "2001:db8::1", "2001:db9::1"]
# id: (region, ip, user_id); the first three are the ones of the task.
FILTERS = {
    "0012": ("usa", "*", "111"), "0013": ("*", "123.1.2.3", "123"), "001": ("!USA", "*", "*"),
    "2": ("CHN|deu", "10.0.0.0/8|2001:db8::/32", "*"), "3": ("*", "!123.1.2.3|10.1.0.0/16", "!111|123"),
    "4": ("!ZZZ", "10.1.xxx.3", "*"), "5": ("ZZZ", "*", "*"), "6": ("*", "10.1.0.0/16", "user 1|111"),
}


def make_stream(seed, count):
    chance = random.Random(seed)
    clicks = [click(chance.choice(ADS), f"{BEGIN + datetime.timedelta(seconds=chance.randrange(MINUTES * 60)):%Y-%m-%d %H:%M:%S}",
                    user=chance.choice(["111", "123", "user 1", "zoë"]), ip=chance.choice(IPS),
                    country=chance.choice(["USA", "USA", "CHN", "DEU", "ZZZ"])) for _ in range(count)]
    return sorted(dict.fromkeys(clicks), key=lambda made: made.time)


STREAM = make_stream(seed=5, count=3000)


# --- the plain loop ---

def count_by_minute(parts, clicks=tuple(STREAM)):
    return collections.Counter((made.ad, made.minute) for made in clicks if matches(parts, made))


def minute(number):
    return (BEGIN + datetime.timedelta(minutes=number)).strftime(MINUTE)


def top_of(counts, first, last):
    """The ads of minutes first..last, most clicks first."""
    sums = collections.Counter()
    for (ad, of), count in counts.items():
        if minute(first) <= of <= minute(last):
            sums[ad] += count
    return [{"ad_id": ad, "count": count} for ad, count in sorted(sums.items(), key=lambda item: (-item[1], item[0].encode()))]


def test_the_plain_loop_knows_the_rules():
    assert in_block("10.1.0.0/16", "10.1.xxx.3") and not in_block("10.1.0.0/16", "10.xxx.2.3")
    assert matches(("!USA", "*", "*"), click(country="ZZZ")) and not matches(("!USA", "*", "*"), click(country="USA"))
    for parts in FILTERS.values():
        assert 0 < sum(count_by_minute(parts).values()) < len(STREAM), "each picks some"


# --- helpers ---

def definition(filter_id, parts, **more):
    return {"filter_id": filter_id, "region": parts[0], "ip": parts[1], "user_id": parts[2]} | more


def post(server, body, content_type="application/json", path="/v1/filters"):
    data = body if isinstance(body, str) else json.dumps(body)
    return server.ask("POST", path, data.encode(), {"Content-Type": content_type})


def create_all(server):
    answer = post(server, [definition(filter_id, parts) for filter_id, parts in FILTERS.items()])
    assert answer.status == 201 and answer.json["created"] == len(FILTERS), answer.body


def send(server, clicks):
    assert server.post_lines([made.log_line() for made in clicks]).status == 200
    server.settled()


def ask(server, path):
    answer = server.get(path)
    assert answer.status == 200, answer.body
    return answer.json


def check_counts(server, query, counts):
    """Series, sums and rankings of a choice, each against the plain counts."""
    whole = f"from={minute(0)}&to={minute(MINUTES)}&{query}"
    for ad in [*ADS, "nobody"]:
        said = ask(server, f"/v1/ads/{ad}/series?{whole}")
        assert said["counts"] == [counts[ad, minute(number)] for number in range(MINUTES)], (query, ad)
        assert said["complete"] is True and said["covers_from"] is None
        for first, end in ((0, MINUTES), (3, 4), (7, 31)):
            said = ask(server, f"/v1/ads/{ad}/aggregated_cnt?from={minute(first)}&to={minute(end)}&{query}")
            assert said["count"] == sum(counts[ad, minute(number)] for number in range(first, end)), (query, ad, first)
    for window, last in ((1, 5), (5, 20), (15, 39), (60, 39)):
        said = ask(server, f"/v1/ads/popular_ads?window={window}&at={minute(last)}&{query}")
        assert said["ads"] == top_of(counts, last - window + 1, last) and said["exact"] is True, (query, window)


def check_all(server):
    for filter_id, parts in FILTERS.items():
        check_counts(server, f"filter={filter_id}", count_by_minute(parts))


def problem(answer):
    assert answer.type == "application/problem+json"
    return answer.status, answer.json["type"].removeprefix("urn:tally:problem:")


def standing(server):
    return [stored["filter_id"] for stored in ask(server, "/v1/filters")["filters"]]


# --- exact ---

@pytest.fixture(scope="module")
def filtered(shared_server):
    """The module's server with all filters and then all clicks."""
    shared_server.stop()
    shared_server.data = shared_server.directory / "filtered"
    shared_server.start(*PAST)
    create_all(shared_server)
    for begin in range(0, len(STREAM), 500):
        send(shared_server, STREAM[begin:begin + 500])
    return shared_server


@pytest.mark.every_build
def test_the_examples_of_the_task_are_counted_by_minute(server):
    """`[AdClickEvent]` lines in, counts by ad, minute and filter out."""
    for filter_id, parts in list(FILTERS.items())[:3]:
        assert post(server, definition(filter_id, parts)).status == 201
    clicks = [click("ad001", "2021-01-01 00:00:01", "user 1", "207.148.22.22", "USA"),
              click("ad001", "2021-01-01 00:00:02", "111", "207.148.22.22", "USA"),
              click("ad002", "2021-01-01 00:00:30", "111", "209.1.1.1", "CHN"),
              click("ad001", "2021-01-01 00:01:10", "123", "123.1.2.3", "USA"),
              click("ad002", "2021-01-01 00:01:11", "123", "123.1.2.3", "CHN"),
              click("ad002", "2021-01-01 00:01:12", "123", "123.1.2.4", "CHN")]
    send(server, clicks)
    assert ask(server, f"/v1/ads/ad001/series?from={minute(0)}&to={minute(2)}&filter=0012")["counts"] == [1, 0]
    assert ask(server, f"/v1/ads/ad002/series?from={minute(0)}&to={minute(2)}&filter=0013")["counts"] == [0, 1]
    assert ask(server, f"/v1/ads/ad002/series?from={minute(0)}&to={minute(2)}&filter=001")["counts"] == [1, 2]
    for filter_id, parts in list(FILTERS.items())[:3]:
        check_counts(server, f"filter={filter_id}", count_by_minute(parts, clicks))


@pytest.mark.parametrize("filter_id", FILTERS)
def test_a_filter_counts_what_a_plain_loop_counts(filtered, filter_id):
    check_counts(filtered, f"filter={filter_id}", count_by_minute(FILTERS[filter_id]))


def test_leading_zeros_name_the_same_filter(filtered):
    for name in ("12", "012", "0000012"):
        assert ask(filtered, f"/v1/filters/{name}")["filter_id"] == 12
        check_counts(filtered, f"filter={name}", count_by_minute(FILTERS["0012"]))


def test_filter_0_is_all_clicks(filtered):
    said = ask(filtered, f"/v1/ads/popular_ads?window=60&at={minute(39)}&filter=0")
    assert said["ads"] == top_of(count_by_minute(("*", "*", "*")), 0, 39) and said["filter_id"] == 0


@pytest.mark.parametrize("query, parts", [
    ("region=USA", ("USA", "*", "*")), ("region=!CHN%7CDEU", ("!CHN|DEU", "*", "*")), ("region=zzz", ("ZZZ", "*", "*")),
    ("user_id=111", ("*", "*", "111")), ("region=CHN&user_id=111", ("CHN", "*", "111")), ("user_id=!111", ("*", "*", "!111")),
    ("ip=10.1.xxx.3", ("*", "10.1.xxx.3", "*")), ("region=!USA&ip=!10.0.0.0/8", ("!USA", "!10.0.0.0/8", "*"))])
def test_a_filter_can_be_asked_once_when_its_atoms_are_there(filtered, query, parts):
    check_counts(filtered, query, count_by_minute(parts))
    assert ask(filtered, f"/v1/ads/ad001/aggregated_cnt?from={minute(0)}&to={minute(9)}&{query}")["filter_id"] == 0


@pytest.mark.parametrize("query", ["ip=1.2.3.4", "user_id=nobody", "ip=207.148.22.22&user_id=111", "region=USA&ip=10.0.0.0/9"])
def test_a_filter_asked_once_without_its_atoms_shows_the_filter_to_make(filtered, query):
    answer = filtered.get(f"/v1/ads/popular_ads?{query}")
    assert problem(answer) == (400, "needs-filter")
    wanted = answer.json["filter"]
    assert wanted["filter_id"] not in standing(filtered) and "tally filter add" in answer.json["detail"]
    assert standing(filtered) == sorted(map(int, FILTERS)), "asking makes nothing"


@pytest.mark.parametrize("query", ["filter=7", "filter=12x", "filter=12&region=USA", "region=Atlantis", "ip=10.0.0.0/33", "user_id=!*"])
def test_a_bad_choice_is_refused(filtered, query):
    assert filtered.get(f"/v1/ads/popular_ads?{query}").status in (400, 404)


# --- life ---

@pytest.mark.every_build
def test_a_filter_is_made_read_and_deleted(server):
    made = post(server, definition("0012", ("usa", "", "111"), ranked=True))
    assert made.status == 201
    assert made.json == made.json | {"filter_id": 12, "region": "USA", "ip": "*", "user_id": "111", "ranked": True, "covers_from": None}
    same = post(server, definition(12, ("USA", "*", "111"), ranked=True))
    assert same.status == 200 and same.json == made.json
    assert ask(server, "/v1/filters/012") == made.json
    assert ask(server, "/v1/filters")["filters"] == [made.json]
    for other in (definition(12, ("USA", "*", "111")), definition(12, ("CHN", "*", "111"), ranked=True)):
        assert problem(post(server, other)) == (409, "filter-exists")
    assert server.ask("DELETE", "/v1/filters/12").status == 200
    for path in ("/v1/filters/12", "/v1/ads/popular_ads?filter=12"):
        assert problem(server.get(path)) == (404, "unknown-filter")
    assert problem(post(server, definition(12, ("USA", "*", "111"), ranked=True))) == (409, "filter-deleted")
    assert problem(server.ask("DELETE", "/v1/filters/99")) == (404, "unknown-filter")
    assert standing(server) == []


@pytest.mark.parametrize("body, field", [
    (definition(1, ("Atlantis", "*", "*")), "region"), (definition(1, ("*", "10.0.0.0/33", "*")), "ip"),
    (definition(1, ("*", "10.0.0.1/8", "*")), "ip"), (definition(1, ("*", "10.0.0.0/8|10.1.0.0/16", "*")), "ip"),
    (definition(1, ("*", "*", "a||b")), "user_id"), (definition(1, ("!*", "*", "*")), "region"),
    (definition(0, ("*", "*", "*")), "filter_id"), (definition("x", ("*", "*", "*")), "filter_id"),
    (definition(1, ("*", "*", "|".join(map(str, range(65))))), "user_id"), ({"filter_id": 1, "ip": []}, "ip"),
    ({"region": "USA"}, "filter_id")])
def test_a_bad_filter_is_refused_with_the_field_named(shared_server, body, field):
    answer = post(shared_server, body)
    assert problem(answer) == (400, "bad-filter") and answer.json["field"] == field and field in answer.json["detail"]
    several = post(shared_server, [definition(901, ("USA", "*", "*")), body])
    assert problem(several) == (400, "bad-filter") and (several.json["field"], several.json["row"]) == (field, 2)
    assert 901 not in standing(shared_server), "all or nothing"


def test_several_filters_come_all_or_not_at_all(server):
    assert post(server, definition(2, ("USA", "*", "*"))).status == 201
    several = post(server, [definition(1, ("USA", "*", "*")), definition(2, ("CHN", "*", "*"))])
    assert problem(several) == (409, "filter-exists") and (several.json["field"], several.json["row"]) == ("filter_id", 2)
    assert several.json["detail"].startswith("row 2: there is a filter 2 with another content")
    assert standing(server) == [2]
    answer = post(server, "filter_id,region,ip,user_id\n1,USA,*,*\n2,USA,,\n", "text/csv")
    assert answer.status == 201 and (answer.json["created"], answer.json["unchanged"]) == (1, 1)
    assert [stored["filter_id"] for stored in answer.json["filters"]] == standing(server) == [1, 2]


def test_bounds_are_said_and_kept(new_server):
    server = new_server().start("--filters-max", "2", "--atoms-max", "2")
    full = post(server, [definition(number, ("USA", "*", "*")) for number in (1, 2, 3)])
    assert problem(full) == (507, "filters-full") and (full.json["field"], full.json["row"]) == ("filter_id", 3)
    assert problem(post(server, definition(1, ("*", "*", "a|b|c")))) == (507, "filters-full")
    assert standing(server) == []
    assert post(server, definition(1, ("*", "*", "a|b"))).status == 201


# --- time ---

@pytest.mark.every_build
def test_filters_and_their_counts_outlive_a_kill_and_a_lost_store(new_server):
    server = new_server().start(*PAST, "--checkpoint-interval", "100ms")
    create_all(server)
    send(server, STREAM[:2000])
    kept = ask(server, "/v1/filters")
    server.kill()
    server.start(*PAST)
    assert ask(server, "/v1/filters") == kept
    send(server, STREAM[1000:])  # half of them again
    check_all(server)
    assert post(server, definition(77, ("*", "77.0.0.0/8", "*"))).status == 201
    server.kill()  # at once: what was answered stands
    shutil.rmtree(server.data / "store")
    server.start(*PAST)
    assert standing(server) == sorted([*map(int, FILTERS), 77])
    check_all(server)


@pytest.mark.every_build
def test_a_later_filter_says_from_when_it_covers_until_it_is_recalculated(new_server):
    server = new_server().start(*PAST)
    half = [made for made in STREAM if made.minute < minute(20)]
    send(server, half)
    create_all(server)
    send(server, STREAM[len(half):])
    query = f"from={minute(10)}&to={minute(30)}"
    for filter_id, parts in FILTERS.items():
        counts, by_region_only = count_by_minute(parts), parts[1:] == ("*", "*")
        said = ask(server, f"/v1/ads/ad001/aggregated_cnt?{query}&filter={filter_id}")
        first = 10 if by_region_only else 20
        assert said["count"] == sum(counts["ad001", minute(number)] for number in range(first, 30))
        assert (said["complete"], said["covers_from"], said["from"]) == (by_region_only, None if by_region_only else minute(20), minute(first))
        assert ask(server, f"/v1/filters/{filter_id}")["covers_from"] == said["covers_from"]
        later = ask(server, f"/v1/ads/ad001/aggregated_cnt?from={minute(20)}&to={minute(30)}&filter={filter_id}")
        assert later["complete"] is True
        done = tally("recalculate", "--filter", filter_id, "--url", server.url)
        assert done.returncode == 0 and "covers   everything" in done.stdout, done.stderr
        check_counts(server, f"filter={filter_id}", counts)
    server.kill()
    server.start(*PAST)
    check_all(server)


def test_deleting_a_filter_changes_no_number_of_another(new_server):
    server = new_server().start(*PAST)
    create_all(server)
    assert post(server, definition(100, ("CHN", "*", "111"))).status == 201  # has an atom in common with 12
    send(server, STREAM[:1500])
    assert server.ask("DELETE", "/v1/filters/100").status == 200
    send(server, STREAM[1500:])
    check_all(server)


# --- a file at start ---

def write_filters(directory, name, rows):
    path = directory / name
    path.write_text("filter_id,region,ip,user_id\n" + "".join(f"{filter_id},{','.join(parts)}\n" for filter_id, parts in rows))
    return path


def test_filters_of_a_file_stand_once_the_server_is_ready(new_server, tmp_path):
    as_csv = write_filters(tmp_path, "filters.csv", FILTERS.items())
    as_json = tmp_path / "filters"
    as_json.write_text(json.dumps([definition(int(filter_id), parts) for filter_id, parts in FILTERS.items()]))
    server = new_server().start(*PAST, "--filters", as_csv)
    send(server, STREAM)
    check_all(server)
    kept = ask(server, "/v1/filters")
    server.stop()
    server.start(*PAST, "--filters", as_json)
    assert ask(server, "/v1/filters") == kept, "the same filters change nothing"
    check_all(server)


@pytest.mark.parametrize("row, reason", [(("3", ("Atlantis", "*", "*")), "row 3: region"), (("0", ("*", "*", "*")), "row 3: "),
                                         (("1", ("USA", "*", "*")), "row 3: ")])
def test_of_a_file_with_one_bad_row_nothing_is_loaded(new_server, tmp_path, row, reason):
    path = write_filters(tmp_path, "filters.csv", [("1", ("USA", "*", "*")), row])
    server = new_server().launch("--filters", path)
    assert server.exit_code() == 2
    assert f"{path}: {reason}" in server.log()
    server.start()
    assert standing(server) == []
    done = tally("filter", "add", "--file", path, "--url", server.url)
    assert (done.returncode, done.stdout) == (2, "") and f"{path}: {reason}" in done.stderr
    assert standing(server) == []


def test_a_file_that_the_server_refuses_is_told_by_its_name_and_row(new_server, tmp_path):
    server = new_server().start("--filters-max", "3")
    for number in ("3", "4"):
        assert post(server, definition(number, ("USA", "*", "*"))).status == 201
    assert server.ask("DELETE", "/v1/filters/4").status == 200
    for row, reason in ((("3", ("CHN", "*", "*")), "row 3: there is a filter 3 with another content"),
                        (("4", ("USA", "*", "*")), "row 3: filter 4 was deleted"),
                        (("5", ("USA", "*", "*")), "row 4: there would be 4 filters, and the bound is 3")):
        path = write_filters(tmp_path, "filters.csv", [("1", ("USA", "*", "*")), row, ("6", ("USA", "*", "*"))])
        done = tally("filter", "add", "--file", path, "--url", server.url)
        assert (done.returncode, done.stdout) == (1, "")
        assert f"{path}: {reason}" in done.stderr and "; nothing of the file was taken" in done.stderr
        assert standing(server) == [3]
    server.stop()
    done = tally("filter", "add", "--file", path, "--url", server.url)
    assert done.returncode == 1 and "nothing of the file" not in done.stderr, "nobody knows when there is no answer"


@pytest.mark.parametrize("arguments, reason", [
    (["add", "60"], "give at least one of --region, --ip and --user-id; * for any"),
    (["add", "60", "--ranked"], "give at least one of --region, --ip and --user-id; * for any"),
    (["add", "60", "--user-id", ""], "--user-id is empty; write * for any"),
    (["add", "60", "--region", "USA", "--ip", " "], "--ip is empty; write * for any")])
def test_an_unset_variable_makes_no_filter_of_every_click(shared_server, arguments, reason):
    before = standing(shared_server)
    done = tally("filter", *arguments, "--url", shared_server.url)
    assert (done.returncode, done.stdout) == (2, "") and reason in done.stderr
    assert standing(shared_server) == before


def test_an_empty_parameter_is_no_question_about_all_clicks(server):
    for field in ("region", "ip", "user_id"):
        for path in ("/v1/ads/ad001/aggregated_cnt", "/v1/ads/ad001/series", "/v1/ads/popular_ads"):
            answer = server.get(f"{path}?{field}=")
            assert problem(answer) == (400, "bad-filter") and answer.json["field"] == field
            assert f"{field} is empty; write * for any" in answer.json["detail"]
    for verb in (["count", "ad001"], ["top"]):
        done = tally(*verb, "--user-id", "", "--url", server.url)
        assert (done.returncode, done.stdout) == (2, "") and "user_id is empty; write * for any" in done.stderr
    assert tally("filter", "add", "60", "--region", "*", "--url", server.url).returncode == 0, "whoever wants every click says so"


def test_a_file_that_says_something_else_of_a_filter_stops_the_start(new_server, tmp_path):
    server = new_server().start()
    assert post(server, definition(12, ("USA", "*", "*"))).status == 201
    server.stop()
    server.launch("--filters", write_filters(tmp_path, "filters.csv", [("11", ("USA", "*", "*")), ("12", ("CHN", "*", "*"))]))
    assert server.exit_code() == 2 and "row 3: there is a filter 12" in server.log()
    server.start()
    assert standing(server) == [12]


# --- verbs ---

def test_the_verb_makes_lists_shows_and_deletes(server, tmp_path):
    def run(*arguments, code=0, **options):
        done = tally("filter", *arguments, "--url", server.url, **options)
        assert done.returncode == code, (done.stdout, done.stderr)
        return done

    assert "There are no filters" in run("list").stdout
    said = run("add", "0012", "--region", "usa", "--user-id", "111").stdout
    assert said.startswith("Created:") and "of user 111" in said and "covers   everything" in said
    assert run("add", "12", "--region", "USA", "--user-id", "111").stdout.startswith("Unchanged")
    assert "another content" in run("add", "12", "--region", "CHN", code=1).stderr
    assert "Atlantis" in run("add", "13", "--region", "Atlantis", code=2).stderr
    for arguments in (["add"], ["add", "7", "--file", "x"], ["add", "--file", "x", "--ranked"], ["shw", "12"], []):
        assert run(*arguments, code=2).stdout == ""
    assert "did you mean show?" in run("shw", "12", code=2).stderr
    assert json.loads(run("add", "13", "--ip", "123.1.2.3", "--user-id", 'a|b\\|"c,d"', "--ranked", "--format", "json").stdout)["ranked"] is True
    assert run("show", "0013", "--format", "json").stdout == server.get("/v1/filters/13").body.decode()
    assert "from 123.1.2.3" in run("show", "13").stdout
    listed = run("list", "--format", "csv").stdout
    assert [row[0] for row in csv.reader(io.StringIO(listed))] == ["filter_id", "12", "13"]
    assert len(run("list").stdout.splitlines()) == 3
    assert [json.loads(line) for line in run("list", "--format", "ndjson").stdout.splitlines()] == ask(server, "/v1/filters")["filters"]
    assert json.loads(run("list", "--format", "json").stdout)["filters"] == ask(server, "/v1/filters")["filters"]
    assert run("add", "--file", "-", stdin=listed).stdout == "created 0, unchanged 2\n", "what list writes, add reads"
    more = tmp_path / "more.json"
    more.write_text('{"filter_id":"0014","region":["USA","CHN"]}')
    assert run("add", "--file", more).stdout == "created 1, unchanged 0\n"
    said = run("delete", "13").stdout
    assert "No count of another filter" in said and "tables of cells" in said and "stays taken" in said
    assert "was deleted" in run("show", "13", code=1).stderr
    assert standing(server) == [12, 14]


def test_a_click_is_explained_part_by_part(server):
    def explain(filter_id, text, *more, code=0, stdin=""):
        done = tally("filter", "explain", filter_id, text, *more, "--url", server.url, stdin=stdin)
        assert done.returncode == code, (done.stdout, done.stderr)
        return done.stdout

    create_all(server)
    for filter_id, parts in FILTERS.items():
        for made in STREAM[:12]:
            line = made.log_line() if made.user != "123" else made.json_line()
            said = explain(filter_id, line) if made.user != "111" else explain(filter_id, "-", stdin=line + "\n")
            assert said.splitlines()[0] == ("matches" if matches(parts, made) else "does not match")
    said = explain("12", click(user="123").log_line())
    assert "region   yes  the click is from USA; the filter takes only USA" in said
    assert 'user_id  no   the click is of user "123"; the filter takes only "111"' in said
    assert "two users" not in said
    said = explain("12", click(user="user 111").log_line())
    assert 'user_id  no   the click is of user "user 111"; the filter takes only "111"' in said
    assert 'The whole field is the id: "user 111", of the click, and "111", of the filter, are two users.' in said
    said = explain("6", click(user="1").log_line())
    assert 'the filter takes only "111" or "user 1"' in said and '"1", of the click, and "user 1", of the filter' in said
    assert "two users" not in explain("6", click(user="user 1").log_line())
    said = json.loads(explain("1", click().log_line(), "--format", "json"))
    assert said["matches"] is False
    assert [(part["part"], part["filter"], part["click"], part["matches"]) for part in said["parts"]] == [
        ("region", "!USA", "USA", False), ("ip", "*", "207.148.22.22", True), ("user_id", "*", "user 1", True)]
    for text in ("", "hello", "{}", click().log_line() + "\n" + click().log_line()):
        assert explain("12", text, code=2) == ""
    assert explain("99", click().log_line(), code=1) == ""
    assert server.totals()["received"] == 0, "a click that is explained is not sent"


def test_count_and_top_answer_for_a_filter(filtered):
    where = ("--url", filtered.url)
    for flags, parts in ((["--filter", "0012"], FILTERS["0012"]), (["--region", "!USA"], ("!USA", "*", "*")),
                         (["--region", "CHN", "--user-id", "111"], ("CHN", "*", "111")), (["--ip", "10.1.xxx.3"], ("*", "10.1.xxx.3", "*"))):
        counts = count_by_minute(parts)
        done = tally("count", "ad002", "--from", minute(0), "--to", minute(MINUTES), *flags, "--format", "json", *where)
        assert json.loads(done.stdout)["count"] == sum(counts["ad002", minute(number)] for number in range(MINUTES))
        done = tally("top", "--window", "40", "--at", minute(39), *flags, "--format", "json", *where)
        assert json.loads(done.stdout)["ads"] == top_of(counts, 0, 39)
    said = tally("count", "ad002", "--filter", "0012", *where).stdout
    assert "filter     12" in said and "covers     everything" in said and "Not complete" not in said
    assert "filter: asked once; covers everything" in tally("top", "--region", "USA", *where).stdout
    refused = tally("count", "ad002", "--user-id", "nobody", *where)
    assert (refused.returncode, refused.stdout) == (2, "") and "tally filter add" in refused.stderr
    assert "filter add" in tally("top", "--ip", "1.2.3.4", *where).stderr


def test_an_answer_that_is_not_complete_says_so(server):
    send(server, [click(time="2021-01-01 00:00:01")])
    assert tally("filter", "add", "5", "--user-id", "111", "--url", server.url).returncode == 0
    for verb in (["count", "ad001", "--from", minute(0), "--to", minute(5)], ["top", "--at", minute(3), "--window", "9"]):
        said = tally(*verb, "--filter", "5", "--url", server.url).stdout
        assert f"Not complete: clicks before {minute(1)} are left out" in said and "tally recalculate --filter 5" in said
        assert "Not complete" in tally(*verb, "--user-id", "111", "--url", server.url).stdout


class SlowServer(http.server.BaseHTTPRequestHandler):
    """Says of each recalculation how far it is: `steps`, then the last one for ever."""
    steps = []

    def answer(self):
        step = type(self).steps.pop(0) if len(type(self).steps) > 1 else type(self).steps[0]
        body = json.dumps({"filter_id": 5, "region": "*", "ip": "*", "user_id": "111", "ranked": False, "words": "w"} | step).encode()
        self.send_response(202 if self.command == "POST" else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


@pytest.fixture
def slow_server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), SlowServer) as listener:
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listener.server_port}"
        listener.shutdown()


def running(done):
    return {"covers_from": minute(1), "recalculation": {"status": "running", "done": done}}


def waiting(waits_for):
    return {"covers_from": minute(1), "recalculation": {"status": "waiting", "done": 0, "waits_for": waits_for}}


def test_a_recalculation_shows_how_far_it_is(slow_server):
    done_at_last = {"covers_from": None, "recalculation": {"status": "done", "done": 1}}
    for first, said in ((waiting(None), "waits to begin"), (waiting(13), "waits for the recalculation of filter 13"), (running(0.25), "25.0% is counted")):
        SlowServer.steps = [first, first, done_at_last]  # one is the answer to the wish
        done = tally("recalculate", "--filter", "5", "--url", slow_server)
        assert done.returncode == 0 and "covers   everything" in done.stdout and said in done.stderr
        assert "another" not in done.stderr
    SlowServer.steps = [running(0.375)]
    assert "of the clicks before: 37.5% is counted" in tally("filter", "show", "5", "--url", slow_server).stdout
    SlowServer.steps = [waiting(None)]
    assert "on; for the clicks before it waits to begin" in tally("filter", "show", "5", "--url", slow_server).stdout


def test_ctrl_c_leaves_a_recalculation_to_the_server_and_says_so(slow_server):
    SlowServer.steps = [running(0.5)]
    process = subprocess.Popen([BINARY, "recalculate", "--filter", "5", "--url", slow_server], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, env=environment(), preexec_fn=die_with_parent)
    first = process.stderr.readline()
    assert "50.0% is counted" in first
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=SECONDS_MAX)
    assert (process.returncode, stdout) == (1, "") and "the server goes on with it" in stderr and "filter show 5" in stderr


def test_a_recalculation_that_cannot_be_is_refused(server):
    done = tally("recalculate", "--url", server.url)
    assert (done.returncode, done.stdout) == (2, "") and "--filter is missing" in done.stderr
    done = tally("recalculate", "--filter", "7", "--url", server.url)
    assert (done.returncode, done.stdout) == (1, "") and "there is no filter 7" in done.stderr
