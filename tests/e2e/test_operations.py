"""What whoever is on call relies on: the log, the metrics, the probes, and what is said about a start that cannot be."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import threading

import pytest

import server as servers
from clicks import click
from faults import RocksDB, WallClock, crc32c, strace
from server import tally, wait_until

ROOT = servers.ROOT
PAST = ("--lateness", "96h")
NOBODY = 65534
BATCH = 200


def batch(number, size=BATCH):
    return [click(f"ad{number}", user=f"user {line}").log_line() for line in range(size)]


def names(server):
    return [event["event"] for event in server.events()]


# --- the log ---

@pytest.mark.every_build
def test_the_log_tells_a_life_in_json(new_server):
    server = new_server().start(*PAST, "--checkpoint-interval", "100ms", "--log-level", "debug")
    assert server.post_lines(batch(1)).status == 200
    wait_until(lambda: server.events("checkpoint"), "a checkpoint")
    server.stop()
    for line in server.log().splitlines():
        event = json.loads(line)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["time"])
        assert event["level"] in ("debug", "info", "warn", "error") and event["message"]
    told = names(server)
    assert told[:5] == ["starting", "opened", "listening", "rules", "ready"] and told[-2:] == ["stopping", "stopped"]
    [rules] = server.events("rules")
    assert (rules["partitions"], rules["lateness_ms"], rules["without_event_id"]) == (4, 96 * 3_600_000, "content")
    assert server.events("starting")[0]["data"] == str(server.data)
    assert server.events("stopping")[0]["signal"] == "SIGTERM"


@pytest.mark.parametrize("memory, mib", [("1MiB", 1), ("64MiB", 64), ("1GiB", 1024)])
def test_the_start_says_how_many_clicks_the_memory_remembers(new_server, memory, mib):
    server = new_server().start("--dedup-memory", memory)
    [opened] = server.events("opened")
    dedup = server.status()["dedup"]
    assert opened["dedup_entries_max"] == dedup["entries_max"] > 0
    assert opened["dedup_memory_bytes"] == dedup["bytes_max"] == mib << 20
    assert opened["message"] == f"dedup memory of {mib} MiB remembers {dedup['entries_max'] / 1e6:.1f} million clicks"
    server.stop()


def test_every_event_is_in_the_document(new_server):
    page = (ROOT / "docs/operations.md").read_text()
    server = new_server().start()
    server.stop()
    assert all(f"| `{name}` |" in page for name in names(server))


@pytest.mark.parametrize("flags, lines", [
    (("--log-format", "logfmt"), r"time=\S+Z level=info event=ready url=http://\S+ clicks=0 seconds=\d+ message="),
    (("--log-format", "json"), r'"event":"ready"')])
def test_the_format_can_be_chosen(new_server, flags, lines):
    server = new_server().launch("--log-level", "info", *flags)
    wait_until(lambda: re.search(lines, server.log()), "ready")


def test_a_terminal_gets_logfmt(tmp_path):
    shown = subprocess.run(["script", "-qec", f"timeout -s INT 2 {servers.BINARY} serve --data {tmp_path}/data "
                            "--listen 127.0.0.1:0 --segment-size 4MiB", "/dev/null"], capture_output=True, text=True,
                           env=servers.environment(), check=False)
    assert re.search(r"^time=\S+ level=info event=listening url=http", shown.stdout, re.M), shown


def test_what_is_below_the_level_is_not_logged(new_server):
    server = new_server().launch("--log-level", "error", "--listen", f"127.0.0.1:{servers.free_port()}")
    flags = [str(part) for part in server.process.args]
    url = "http://" + flags[len(flags) - 1 - flags[::-1].index("--listen") + 1]
    wait_until(lambda: tally("status", "--url", url).returncode == 0, "answers")
    server.process.terminate()
    assert server.exit_code() == 0 and server.log() == ""


@pytest.mark.every_build
def test_nothing_that_a_click_says_is_logged(new_server):
    """Good lines, bad lines, questions: none of their bytes, whatever happens to them."""
    secrets = ("secretad", "secretuser", "198.51.100.77", "secretevent", "secretrubbish", "secretsource")
    server = new_server().start("--log-level", "debug", "--checkpoint-interval", "100ms", "--dedup-memory", "1MiB", *PAST)
    good = click("secretad", user="secretuser", ip="198.51.100.77").log_line()
    server.post_lines([good, good + "secretrubbish", "secretrubbish"], query="?source=secretsource")
    server.post('{"ad_id":"secretad","event_id":"secretevent"}')
    for path in ("/v1/ads/secretad/aggregated_cnt", "/v1/ads/secretad/series?step=secretrubbish", "/secretrubbish"):
        server.get(path)
    for number in range(1000):
        if server.post_lines([line.replace("ad", "secretad", 1) for line in batch(number, 500)]).status == 503:
            break
    wait_until(lambda: server.events("refusing") and server.events("checkpoint"), "a refusal and a checkpoint")
    server.stop()
    assert not any(secret in server.log() for secret in secrets), server.log()


@pytest.mark.every_build
def test_full_memory_is_logged_counted_and_shown_by_the_probe(new_server):
    server = new_server().start("--dedup-memory", "1MiB", *PAST)
    refused, shown = 0, False
    for number in range(2000):  # what is full has room again when its run is written: asked beside the refusals
        refused += server.post_lines(batch(number, 500)).status == 503
        ready = server.get("/readyz?verbose")
        assert ready.status == 200
        shown = shown or b"\nintake waits: the memory for identities is full" in ready.body
        if shown and refused >= 3:
            break
    assert shown and refused >= 3
    refusing = wait_until(lambda: server.events("refusing"), "refusing")[0]
    assert refusing["reason"] == "dedup_memory" and refusing["level"] == "warn" and "--dedup-memory" in refusing["message"]
    assert samples(metrics(server))['tally_intake_refused_total{reason="dedup_memory"}'] >= 3


def test_a_torn_tail_is_a_warning_with_its_file(new_server):
    server = new_server().start(*PAST)
    assert server.post_lines(batch(1)).status == 200
    server.kill()
    with server.journal_files()[-1].open("ab") as segment:
        segment.write(bytes(range(1, 200)))
    server.start(*PAST)
    [torn] = wait_until(lambda: server.events("torn_tail"), "torn tail")
    assert (server.data / torn["file"]).stat().st_size == torn["bytes"] and torn["level"] == "warn"


def test_a_slow_disk_is_a_warning_and_shows_in_the_histogram(new_server):
    server = new_server()
    server.start(*PAST, wrap=strace(server.directory, "fdatasync", "delay_exit=1300000", "8+"))
    for number in range(12):
        assert server.post_lines(batch(number, 1)).status == 200
    slow = wait_until(lambda: server.events("slow_commit"), "a warning")[0]
    assert slow["level"] == "warn" and slow["commits"] >= 1 and 1300 <= slow["slowest_ms"] < 60_000
    now = samples(metrics(server))
    assert now['tally_commit_seconds_bucket{le="1.000000"}'] < now["tally_commit_seconds_count"]
    assert now["tally_commit_seconds_sum"] >= 1.3


def test_a_clock_that_steps_back_is_an_error_until_it_is_right(new_server, tmp_path):
    clock = WallClock(tmp_path)
    server = new_server().start(*PAST, env=clock.env)
    assert server.post_lines(batch(1)).status == 200
    assert b"\nclock ok\n" in server.get("/readyz?verbose").body

    clock.step(-3600)
    wait_until(lambda: server.events("clock_untrusted"), "an error about the clock")
    refused = server.post_lines(batch(2))
    assert refused.status == 503 and "clock" in refused.json["detail"]
    assert b"\nclock waits: " in server.get("/readyz?verbose").body
    assert server.events("clock_untrusted")[0]["level"] == "error"

    clock.step(3600)
    wait_until(lambda: server.events("clock_trusted"), "the clock is right")
    wait_until(lambda: server.post_lines(batch(2)).status == 200, "clicks are taken")
    wait_until(lambda: server.events("accepting"), "a line about it")
    assert server.events("accepting")[0]["refused"] >= 1
    assert server.settled()["counted"] == 2 * BATCH


def test_connections_that_are_turned_away_are_counted_and_logged_in_one_line(new_server):
    server = new_server().start("--http-connections", "2", "--http-threads", "1")
    busy = [server.connect_raw() for _ in range(8)]
    for connection in busy:
        connection.sendall(b"POST /v1/clicks HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\n")
    cut = wait_until(lambda: server.events("connections_cut"), "a line about it")
    for connection in busy:
        connection.close()
    assert cut[0]["level"] == "warn" and cut[0]["connections"] >= 1
    reason = cut[0]["reason"]
    wait_until(lambda: samples(metrics(server))[f'tally_connections_ended_total{{reason="{reason}"}}'] >= 1, "counted")


# --- metrics ---

def metrics(server):
    def answered():
        try:
            answer = server.get("/metrics")
        except OSError:
            return None
        return answer if answer.status == 200 else None
    return wait_until(answered, "/metrics").body.decode()


def promtool(text):
    assert shutil.which("promtool"), "promtool is not installed: tools/install-packages test"
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, ""), done


def samples(text):
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line[0] != "#"}


@pytest.mark.every_build
def test_promtool_finds_nothing_wrong_idle_and_under_load(new_server):
    server = new_server().start(*PAST, "--checkpoint-interval", "100ms")
    promtool(metrics(server))
    stop = threading.Event()

    def load(worker):
        number = 0
        while not stop.is_set():
            assert server.post_lines(batch(f"{worker}-{number}")).status == 200
            server.get(f"/v1/ads/ad{worker}-{number}/aggregated_cnt")
            number += 1

    workers = [threading.Thread(target=load, args=(worker,)) for worker in range(3)]
    for worker in workers:
        worker.start()
    try:
        before = samples(metrics(server))
        for _ in range(20):
            text = metrics(server)
            promtool(text)
            now = samples(text)
            growing = [name for name in before if re.match(r"\w+_(total|bucket|count|sum)\b", name)]
            assert len(growing) > 40 and all(now[name] >= before[name] for name in growing)
            assert all(now[f'tally_conservation_violated{{law="{law}"}}'] == 0 for law in ("intake", "partitions", "cells"))
            assert "ad0-" not in text
            before = now
    finally:
        stop.set()
        for worker in workers:
            worker.join()
    server.settled()
    text = metrics(server)
    promtool(text)
    now = samples(text)
    assert now["tally_commit_seconds_count"] > 0 and now['tally_commit_seconds_bucket{le="+Inf"}'] == now["tally_commit_seconds_count"]
    assert now["tally_clicks_accepted_total"] == server.totals()["accepted"]
    assert now["tally_window_bytes"] <= now["tally_window_bytes_max"] and now["tally_dedup_bytes"] <= now["tally_dedup_bytes_max"]


def test_every_metric_is_documented_and_has_only_the_labels_that_are(server):
    assert server.post_lines(batch(1)).status == 200
    server.settled()
    text = metrics(server)
    rows = re.findall(r"^\| `(tally_\w+)` \| (\w+) \| ([\w, ]*) \| ", (ROOT / "docs/metrics.md").read_text(), re.M)
    assert [(name, kind) for name, kind, _ in rows] == re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M)
    allowed = {name: set(filter(None, re.split(r"[, ]+", labels))) for name, _, labels in rows}
    for name in samples(text):
        metric = re.sub(r"_(bucket|sum|count)$", "", name.split("{")[0])
        metric = metric if metric in allowed else name.split("{")[0]
        assert set(re.findall(r'(\w+)="', name)) <= allowed[metric]


def test_the_status_shows_all_memory_with_its_bounds(server):
    assert server.post_lines(batch(1)).status == 200
    server.settled()
    memory = server.status()["memory"]
    assert memory["resident_bytes"] > memory["dedup_bytes"] > 0
    assert memory["dedup_bytes"] <= memory["dedup_bytes_max"] and memory["window_bytes"] <= memory["window_bytes_max"]
    assert memory["ads_bytes"] > 0 and memory["cells_bytes"] >= 0 and set(memory) >= {"window_minutes", "window_from"}


# --- probes ---

@pytest.mark.every_build
def test_the_probes_say_ok_and_with_verbose_each_check(server):
    for path in ("/livez", "/readyz"):
        assert (server.get(path).status, server.get(path).body) == (200, b"ok\n")
        for query in ("?verbose", "?verbose=1"):
            assert server.get(path + query).body == b"replay ok\njournal ok\nclock ok\nintake ok\nok\n"


def test_while_the_journal_is_replayed_the_probe_says_how_far_it_is(new_server):
    server = new_server().start(*PAST)
    for number in range(40):
        assert server.post_lines(batch(number, 5000)).status == 200
    server.kill()
    shutil.rmtree(server.data / "store")
    server.launch(*PAST)
    wait_until(server.listening, "listening")
    seen = []
    while True:
        answer = server.get("/readyz?verbose")
        if answer.status == 200:
            break
        seen.append(answer.body.decode())
    # A machine may be too fast for the first look; what is seen must be right.
    for text in seen:
        assert re.match(r"replay (ok|waits: \d+ clicks in \d+ records read back so far)\njournal ok\nclock ok\nintake ", text), text
    assert server.settled()["counted"] == 40 * 5000


# --- a start that cannot be ---

def failed(server, code=1):
    """The one line that says why."""
    assert server.exit_code() == code, server.log()
    last = server.events()[-1]
    assert last["event"] == "failed" and last["level"] == "error", server.log()
    assert [event["event"] for event in server.events() if event["level"] in ("warn", "error")] == ["failed"]
    return last


def test_a_port_in_use_is_said_with_what_to_do(new_server, server):
    other = new_server(port=server.port_now)
    last = failed(other.launch())
    assert str(server.port_now) in last["message"] and "in use" in last["message"] and "--listen" in last["message"]
    other.port = 0
    other.start()


def test_an_address_of_another_machine_is_said(new_server):
    server = new_server()
    last = failed(server.launch("--listen", "192.0.2.1:18080"))
    assert "192.0.2.1" in last["message"] and "0.0.0.0" in last["message"]


def test_a_data_directory_in_use_is_said_with_the_process(new_server, server):
    other = new_server()
    other.data = server.data
    last = failed(other.launch())
    assert all(word in last["message"] for word in (str(server.data), "in use", f"pid {server.process.pid}", "stop it"))


def test_a_parent_that_is_missing_is_said(new_server):
    server = new_server()
    server.data = server.directory / "missing" / "data"
    last = failed(server.launch())
    assert str(server.data) in last["message"] and "its parent must exist" in last["message"]
    assert not server.data.parent.exists()


def test_a_data_directory_that_is_a_file_is_said(new_server):
    server = new_server()
    server.data.write_text("not a directory")
    last = failed(server.launch())
    assert all(word in last["message"] for word in (str(server.data), "Not a directory", "give a directory"))
    assert server.data.read_text() == "not a directory"


def as_nobody():
    os.setgid(NOBODY)
    os.setuid(NOBODY)


@pytest.mark.skipif(os.geteuid() != 0, reason="root makes a directory that another user may not write")
@pytest.mark.parametrize("exists", [False, True], ids=["to be made", "that is there"])
def test_a_directory_that_may_not_be_written_is_said(new_server, exists):
    place = pathlib.Path(tempfile.mkdtemp(prefix="tally-e2e-nobody-"))
    try:
        binary = shutil.copy(servers.BINARY, place / "tally")
        server = new_server()
        server.data = place / "data"
        if exists:
            server.data.mkdir()
        place.chmod(0o755)
        with server.log_path.open("wb") as log:
            server.process = subprocess.Popen([binary, "serve", "--data", str(server.data), "--listen", "127.0.0.1:0"],
                                              stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=servers.environment(),
                                              preexec_fn=as_nobody, cwd="/")
        last = failed(server)
        assert str(server.data) in last["message"] and "Permission denied" in last["message"] and "writable" in last["message"]
    finally:
        shutil.rmtree(place)


def test_a_journal_of_another_version_is_said_with_both(new_server):
    server = new_server().start()
    server.post_lines(batch(1))
    server.stop()
    segment = server.journal_files()[0]
    data = bytearray(segment.read_bytes())
    data[8] += 1
    segment.write_bytes(data)
    last = failed(server.launch())
    assert all(word in last["message"] for word in (segment.name, "format version 3", "versions 1 to 2"))
    assert "version of tally" in last["advice"]


def test_a_store_of_another_version_is_refused_with_both(new_server):
    """docs/format/store.md: the version is the value's first byte; the checksum is over the key, the two bytes before it and
    what follows it."""
    server = new_server().start()
    server.post_lines(batch(1))
    totals = server.settled()
    server.stop()
    store = RocksDB(server.data / "store")
    value = bytearray(store.get(b"m"))
    assert value[0] == 1 and int.from_bytes(value[2:6], "little") == crc32c(b"m" + value[:2] + value[6:])
    value[0] = 2
    value[2:6] = crc32c(b"m" + value[:2] + value[6:]).to_bytes(4, "little")
    store.put(b"m", bytes(value))
    store.close()
    for _ in range(2):  # it is left as it is
        last = failed(server.launch(), code=2)
        assert "the store has format version 2, this program reads 1" in last["message"]
    assert "remove the store" in last["message"]
    shutil.rmtree(server.data / "store")
    server.start()
    assert server.settled() == totals


def test_a_store_without_its_journal_says_what_may_be_done(new_server):
    server = new_server().start()
    server.post_lines(batch(1))
    server.settled()
    server.stop()
    shutil.rmtree(server.data / "journal")
    last = failed(server.launch(), code=2)
    assert "journal" in last["message"] and "store/" in last["advice"]


def test_another_number_of_partitions_is_refused_with_both(new_server):
    server = new_server().start("--partitions", "2")
    server.stop()
    last = failed(server.launch("--partitions", "3"), code=2)
    assert "3" in last["message"] and "2" in last["message"] and "setting" in last["advice"]


@pytest.mark.parametrize("flags, words", [
    ((), "data.directory|--data"), (("--data", "/tmp/x", "--listen", "nonsense"), "--listen.*HOST:PORT"),
    (("--data", "/tmp/x", "--dedup-memory", "1KiB"), "--dedup-memory.*1MiB"),
    (("--data", "/tmp/x", "--log-level", "loud"), "--log-level.*debug or info or warn or error"),
    (("--data", "/tmp/x", "--log-fromat", "json"), "--log-format")])
def test_a_flag_that_cannot_be_is_one_plain_line_and_exit_2(flags, words):
    done = tally("serve", *flags)
    assert done.returncode == 2 and re.search(words, done.stderr), done
    assert done.stderr.startswith("tally: ") and done.stderr.count("\n") <= 2


# --- every parameter that is out of range ---

COUNT, SERIES, POPULAR = "/v1/ads/a/aggregated_cnt", "/v1/ads/a/series", "/v1/ads/popular_ads"
OUT_OF_RANGE = [
    *[(path, query, words) for path in (COUNT, SERIES) for query, words in [
        ("last=0", "last .* from 1 to 44640"), ("last=44641", "last .* from 1 to 44640"), ("last=-1", "last .* from 1 to 44640"),
        ("last=", "last .* from 1 to 44640"), ("last=1e3", "last .* from 1 to 44640"),
        ("last=99999999999999999999", "last .* from 1 to 44640"), ("last=1&last=2", "last must occur once"),
        ("last=1&from=0&to=1", "last excludes from and to"), ("from=2021-01-01T00:00:00Z", "from is given without to"),
        ("to=2021-01-01T00:00:00Z", "to is given without from"), ("from=yesterday&to=202101010000", "from must be a time"),
        ("from=202101010000&to=202113010000", "to must be a time"), ("from=202101010001&to=202101010001", "from must be before to"),
        ("from=202101010002&to=202101010001", "from must be before to"), ("filter=x", "filter must be the number"),
        ("step_=hour", 'unknown parameter "step_".*accepted here: from'), ("filter=%zz", "filter must occur once and be valid")]],
    (SERIES, "step=week", "step must be minute, hour or day"), (SERIES, "step=", "step must be minute, hour or day"),
    (SERIES, "from=202101010000&to=202102010000", "44640 points.*at most 10080"),
    (SERIES, "from=1970-01-01T00:00:00Z&to=9999-12-30T00:00:00Z&step=day", "at most 10080"),
    (SERIES, "last=10081", "10081 points.*at most 10080"),
    ("/v1/ads/%00/series", "", "ad_id .* 1 to 128 bytes"), (f"/v1/ads/{'a' * 129}/series", "", "ad_id .* 1 to 128 bytes"),
    ("/v1/ads/%FF/aggregated_cnt", "", "ad_id .* 1 to 128 bytes"), ("/v1/ads//aggregated_cnt", "", "ad_id .* 1 to 128 bytes"),
    *[(POPULAR, query, words) for query, words in [
        ("count=0", "count .* from 1 to 1000"), ("count=1001", "count .* from 1 to 1000"), ("count=", "count .* from 1 to 1000"),
        ("count=ten", "count .* from 1 to 1000"), ("window=0", "window .* from 1 to 1440"),
        ("window=1441", "window .* from 1 to 1440"), ("window=-5", "window .* from 1 to 1440"), ("at=noon", "at must be a time"),
        ("at=202101010000&at=202101010000", "at must occur once"), ("filter=-1", "filter must be the number"),
        ("last=1", 'unknown parameter "last".*accepted here: count, window, at, filter')]],
    ("/v1/status", "verbose", 'unknown parameter "verbose"'), ("/metrics", "name=x", 'unknown parameter "name"'),
    ("/v1/export", "", "table"), ("/v1/export", "table=rows", "table"), ("/v1/export", "table=cells&x=1", "parameter"),
]


@pytest.fixture(scope="module")
def with_clicks(shared_server):
    assert shared_server.post_lines(batch(1)).status == 200
    for number in range(1, 10):  # enough minutes for `last` to be a range
        shared_server.post_lines([click(time=f"2021-01-0{number} 00:00:00").log_line()])
    shared_server.settled()
    return shared_server


@pytest.mark.parametrize("path, query, words", OUT_OF_RANGE)
def test_a_parameter_out_of_range_is_named_with_its_range(with_clicks, path, query, words):
    answer = with_clicks.get(path + ("?" + query if query else ""))
    assert (answer.status, answer.type) == (400, "application/problem+json"), answer.body
    assert re.search(words, answer.json["detail"]), answer.json


@pytest.mark.parametrize("query, words", [
    ("?atomic=2", "atomic .* 1 or 0"), ("?atomic=1&atomic=1", "atomic .* once"), ("?source=", "source .* 1 to 128 bytes"),
    (f"?source={'x' * 129}", "source .* 1 to 128 bytes"), ("?source=%0A", "source .* without control characters"),
    ("?sauce=x", 'unknown parameter "sauce".*atomic and source')])
def test_a_parameter_of_clicks_out_of_range_is_named(with_clicks, query, words):
    answer = with_clicks.post_lines(batch(1), query=query)
    assert answer.status == 400 and re.search(words, answer.json["detail"]), answer.body


@pytest.mark.parametrize("path, query", [(COUNT, "filter=7"), (SERIES, "filter=7"), (POPULAR, "filter=7")])
def test_an_unknown_filter_is_404(with_clicks, path, query):
    answer = with_clicks.get(f"{path}?{query}")
    assert answer.status == 404 and "7" in answer.json["detail"]


# --- the document's alarms ---

def test_the_alarms_are_rules_that_prometheus_takes_on_metrics_that_exist(tmp_path):
    [rules] = re.findall(r"^```yaml\n(groups:.*?)^```$", (ROOT / "docs/operations.md").read_text(), re.M | re.S)
    path = tmp_path / "rules.yaml"
    path.write_text(rules)
    done = subprocess.run(["promtool", "check", "rules", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done
    documented = (ROOT / "docs/metrics.md").read_text()
    used = set(re.findall(r"tally_\w+", rules))
    assert len(used) >= 8
    assert [name for name in used if f"`{re.sub('_bucket$', '', name)}`" not in documented] == []
