"""Asks a server all that its OpenAPI document has, and what lies just beyond, and collects the answers."""
import dataclasses
import gzip
import http.client
import json
import re
import shutil
import urllib.parse

import server as servers
import test_rejects
from clicks import click
from server import wait_until

ROOT = servers.ROOT
LOG, NDJSON, JSON, CSV = "text/plain", "application/x-ndjson", "application/json", "text/csv"
NOON = "2021-01-01T12:00:00Z"
# What stands beside a parameter so that an answer is about its own value; only what the operation has.
BESIDE = {"from": {"to": "2021-01-01T13:00:00Z"}, "to": {"from": "2021-01-01T11:00:00Z"}, "last": {"step": "hour"},
          "filter": {"table": "counts"}}
IN_PATH = {"ad_id": "ad001", "name": "main.js", "filter_id": "12"}
FILTER = {"filter_id": 12, "region": "USA", "user_id": ["111", "112"]}  # stands in a server that is asked every question


@dataclasses.dataclass
class Asked:
    method: str
    path: str  # as in the document
    request: str
    answer: servers.Answer


# --- every parameter of every question ---

def values(schema):
    """Good ones, at the ends of what a parameter may be, and bad ones just beyond."""
    if "enum" in schema:
        return schema["enum"], ["nonsense", "", schema["enum"][0] + "x"]
    if schema["type"] == "integer":
        low, high = schema["minimum"], schema.get("maximum")
        beyond = [] if high is None else [high + 1]
        return [low] if high is None else [low, high], [low - 1, *beyond, "", "x", "1.5", f"{low} "]
    if "examples" in schema:
        times = ["yesterday", "", "16095024000", "2021-02-30T00:00:00Z"]
        return schema["examples"], times if "pattern" in schema else ["|", "!*", "a|*", "\\a"]  # else: parts of a filter
    if "maxLength" in schema:
        high = schema["maxLength"]
        return ["a", "a" * high, "ä" * (high // 2), "a/b c&d=%?#"], ["", "a" * (high + 1), "ä" * high]
    return ["", "1"], []


def filled(path, in_path, query):
    path = re.sub(r"\{(\w+)\}", lambda match: urllib.parse.quote(str(in_path[match[1]]), safe=""), path)
    return path + ("?" + urllib.parse.urlencode(query) if query else "")


def questions(contract, path, operation):
    """(request, whether it is good)."""
    parameters = [parameter for parameter in contract.parameters(operation) if parameter["in"] != "header"]
    schemas = {parameter["name"]: contract.resolved(parameter["schema"]) for parameter in parameters}
    in_query = [parameter["name"] for parameter in parameters if parameter["in"] == "query"]
    needed = {p["name"]: values(schemas[p["name"]])[0][0] for p in parameters if p["in"] == "query" and p.get("required")}
    strict = "400" in operation["responses"]
    yield filled(path, IN_PATH, needed), True
    yield filled(path, IN_PATH, needed | {"nonsense": "1"}), not strict
    for name in needed:
        yield filled(path, IN_PATH, {key: value for key, value in needed.items() if key != name}), False
    for name, schema in schemas.items():
        good, bad = values(schema)
        beside = needed | {key: value for key, value in BESIDE.get(name, {}).items() if key in in_query}
        for value, is_good in [(value, True) for value in good] + [(value, False) for value in bad]:
            if name in in_query:
                yield filled(path, IN_PATH, beside | {name: value}), is_good
            elif name == "ad_id" or (name == "filter_id" and value != "" and not is_good):
                yield filled(path, IN_PATH | {name: value}, needed), is_good
        if name in in_query:
            yield filled(path, IN_PATH, [*(beside | {name: good[0]}).items(), (name, good[0])]), not strict


def gets(contract):
    """The live events never end, so they are asked apart."""
    return [(path, operation) for method, path, operation in contract.operations() if method == "GET" and path != "/v1/live"]


def ask_every_question(contract, server, method="GET"):
    for path, operation in gets(contract):
        for request, is_good in questions(contract, path, operation):
            answer = server.ask(method, request)
            assert answer.status == (200 if is_good else 400), f"{request}: {answer.status} {answer.body}"
            yield Asked(method, path, request, answer)


def ask_what_no_single_value_reaches(server):
    ad = "/v1/ads/{ad_id}/"
    queries = [(ad + "aggregated_cnt", "from=202101010001&to=202101010000"), (ad + "aggregated_count", "from=202101010000"),
               (ad + "series", "last=44640"), (ad + "series", "last=1&from=202101010000&to=202101010001"),
               ("/v1/ads/popular_ads", f"window=1440&count=1000&at={NOON}"), ("/v1/ads/popular_ads", "filter=7"),
               *((ad + name, f"filter={number}") for name in ("aggregated_cnt", "aggregated_count", "series")
                 for number in (7, 12, "0012")),
               (ad + "series", "user_id=111&last=5"), (ad + "aggregated_cnt", "user_id=7"),
               ("/v1/ads/popular_ads", "ip=10.0.0.0/8&region=USA"), ("/v1/ads/popular_ads", "filter=12&region=USA"),
               ("/v1/export", "table=counts&filter=12,7"), ("/v1/export", "table=cells&filter=12"), ("/v1/filters", "limit=1"), ("/v1/filters", "cursor=12"),
               *((ad + "series", f"from=202101011000&to=202101011400&step={step}") for step in ("minute", "hour", "day"))]
    for path, query in queries:
        request = filled(path, IN_PATH, {}) + "?" + query
        yield Asked("GET", path, request, server.get(request))
    for file in sorted((ROOT / "web").iterdir()):
        if file.suffix in (".js", ".css", ".svg"):
            yield Asked("GET", "/assets/{name}", file.name, server.get(f"/assets/{file.name}"))
    yield Asked("GET", "/assets/{name}", "none", server.get("/assets/none"))
    for path in ("/", "/openapi.json", "/assets/{name}"):
        request = filled(path, IN_PATH, {})
        etag = server.get(request).headers["ETag"]
        yield Asked("GET", path, "again", server.ask("GET", request, headers={"If-None-Match": etag}))
    for request in ("/v1", "/v2/status", "/v1/filter", "/v1/filters/12/words", "/v1/ads/ad001"):
        yield Asked("GET", request, request, server.get(request))


def ask_with_other_methods(contract, server):
    for path, item in contract.document["paths"].items():
        for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
            if method.lower() not in item:
                yield Asked(method, path, path, server.ask(method, filled(path, IN_PATH, {}), b""))


# --- filters ---

def change_filters(server, path="/v1/filters", body=None, content_type=JSON, method="POST", headers=None, filter_id=12):
    """`path` as in the document."""
    body = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
    request = filled(path, {"filter_id": filter_id}, {})
    answer = server.ask(method, request, body or b"", {"Content-Type": content_type} | (headers or {}))
    return Asked(method, path, f"{request} {(body or b'')[:80]}", answer)


BAD_FILTERS = [{"filter_id": "x"}, {"filter_id": 1, "region": "Atlantis"}, {"filter_id": 1, "ip": "10.0.0.0/33"},
               {"filter_id": 1, "user_id": []}, {"filter_id": 1, "ranked": 1}, {"filter_id": 1, "regoin": "USA"}, []]


def change_every_filter(contract, server):
    """Each way in which filters are made, refused and ended."""
    one, recalculation = "/v1/filters/{filter_id}", "/v1/filters/{filter_id}/recalculation"
    media = contract.document["paths"]["/v1/filters"]["post"]["requestBody"]["content"]
    asked = {
        "unknown": (404, [change_filters(server, path, method=method)
                          for path, method in ((one, "DELETE"), (recalculation, "POST"))]),
        "new": (201, [change_filters(server, body=FILTER), change_filters(server, body=[FILTER, {"filter_id": 13}]),
                      change_filters(server, body=media[CSV]["example"].replace("0013", "14").encode(), content_type=CSV)]),
        "again": (200, [change_filters(server, body=FILTER), change_filters(server, body=[FILTER])]),
        "bad": (400, [change_filters(server, body=body) for body in BAD_FILTERS] +
                     [change_filters(server, body=BAD_FILTERS[1:2]), change_filters(server, body=b"{"),
                      change_filters(server, body=b"filter_id\n", content_type=CSV)]),
        "taken": (409, [change_filters(server, body=body) for body in (FILTER | {"region": "DEU"}, [FILTER | {"region": "DEU"}])]),
        "other kinds": (415, [change_filters(server, body=FILTER, content_type=LOG),
                              change_filters(server, body=FILTER, headers={"Content-Encoding": "gzip"})]),
        "too long": (413, [change_filters(server, body=b" " * (65 << 20))]),
    }
    for what, (status, answers) in asked.items():
        for answer in answers:
            assert answer.answer.status == status, f"{what}: {answer.request}: {answer.answer.status} {answer.answer.body}"
            yield answer


def end_a_filter(server):
    """Of a server with clicks from before it; on the way it covers a part."""
    one, recalculation, series = "/v1/filters/{filter_id}", "/v1/filters/{filter_id}/recalculation", "/v1/ads/{ad_id}/series"
    late = {"filter_id": 15, "user_id": "111", "ip": "10.0.0.0/8"}
    request = filled(series, IN_PATH, {"filter": 15, "from": "202101010000", "to": "202101020000", "step": "hour"})

    def ask_series():
        return Asked("GET", series, request, server.get(request))

    def change(status, path, method="POST", **more):
        asked = change_filters(server, path, method=method, **({"filter_id": 15} | more))
        assert asked.answer.status == status, f"{method} {path}: {asked.answer.status} {asked.answer.body}"
        return asked

    yield change(201, "/v1/filters", body=late)
    yield ask_series()
    yield change(202, recalculation)
    yield change(200, recalculation)
    yield change(200, one, "DELETE")
    for path, method in ((one, "DELETE"), (recalculation, "POST")):
        yield change(409, path, method)
        yield change(400, path, method, filter_id="x")
    yield change(404, one, "GET")
    yield change(400, one, "GET", filter_id="x")
    yield ask_series()
    yield change(409, "/v1/filters", body=late)


def ask_for_too_much(server):
    """More filters than may be, and a ranking over more cells than may be: of a day that memory does not hold by country."""
    for day in ("2021-01-01 12:00:00", "2021-01-05 12:00:00"):
        server.post_lines([click(f"ad{number}", day, f"user {number}").log_line() for number in range(2000)])
    server.settled()
    request = "/v1/ads/popular_ads?region=USA&window=1440&at=202101020000"
    yield Asked("GET", "/v1/ads/popular_ads", request, server.get(request))
    yield change_filters(server, body=[FILTER, {"filter_id": 13}])


# --- clicks ---

def zstd_frame(data, window_log=20):
    """One stored block (RFC 8878, 3.1.1)."""
    return b"\x28\xb5\x2f\xfd\x00" + bytes([window_log - 10 << 3]) + (len(data) << 3 | 1).to_bytes(3, "little") + data


PACKED = {"identity": bytes, "gzip": gzip.compress, "x-gzip": gzip.compress, "zstd": zstd_frame}
GOOD = {LOG: test_rejects.GOOD_LOG, NDJSON: test_rejects.GOOD_JSON, JSON: test_rejects.GOOD_JSON}
BAD = {LOG: test_rejects.LOG_LINES, NDJSON: test_rejects.JSON_LINES}


def send_clicks(contract, server):
    operation = contract.document["paths"]["/v1/clicks"]["post"]
    taken = {parameter["name"]: contract.resolved(parameter["schema"]) for parameter in contract.parameters(operation)}
    assert set(GOOD) == set(operation["requestBody"]["content"]) and set(PACKED) == set(taken["Content-Encoding"]["enum"])

    def send(status, body, content_type=LOG, query="", encoding=None):
        headers = {} if encoding is None else {"Content-Encoding": encoding}
        answer = server.post(body, content_type, query, headers)
        assert answer.status == status, f"{content_type} {query} {encoding}: {answer.status} {answer.body}"
        return Asked("POST", "/v1/clicks", f"{content_type} {query} {encoding}", answer)

    for content_type, media in operation["requestBody"]["content"].items():
        example = media.get("example", "")
        yield send(200, example if isinstance(example, str) else json.dumps(example), content_type)
        for encoding, pack in PACKED.items():
            yield send(200, pack(GOOD[content_type].encode()), content_type, encoding=encoding)
    for name in ("source", "atomic"):
        good, bad = values(taken[name])
        for status, value in [(200, value) for value in good] + [(400, value) for value in bad]:
            yield send(status, GOOD[LOG], query="?" + urllib.parse.urlencode({name: value}))
        yield send(400, GOOD[LOG], query=f"?{name}=1&{name}=1")
    yield send(400, GOOD[LOG], query="?nonsense=1")
    yield send(415, GOOD[LOG], "text/csv")
    yield send(415, GOOD[LOG], encoding="br")
    for content_type, lines in BAD.items():
        good = GOOD[content_type].encode()
        for query in ("", "?atomic=1"):
            yield send(413, b"\n".join([good] + [test_rejects.as_bytes(line) for _, line in lines]), content_type, query)
            yield send(400, b"rubbish\n" + good, content_type, query)
    yield send(400, "rubbish\n" * 1500)
    yield send(400, gzip.compress(GOOD[LOG].encode())[:-3], encoding="gzip")
    yield send(413, zstd_frame(GOOD[LOG].encode(), window_log=27), encoding="zstd")
    yield send(413, (GOOD[LOG] + "\n") * (17 * 1024 * 1024 // len(GOOD[LOG])), query="?atomic=1")


# --- moments of a server's life ---

def watch_too_many(server):
    """The first of those who watch, and the one who may not."""
    connections, asked = [], []
    try:
        while not asked or asked[-1].answer.status == 200:
            assert len(asked) < 1000, "as many as like may watch"
            connections.append(server.connect())
            connections[-1].request("GET", "/v1/live")
            response = connections[-1].getresponse()
            body = b"".join(response.readline() for _ in range(3)) if response.status == 200 else response.read()
            asked.append(Asked("GET", "/v1/live", "", servers.Answer(response.status, response.headers, body)))
    finally:
        for connection in connections:
            connection.close()
    return [asked[0], asked[-1]]


def start_a_body(server, method="POST", request="/v1/clicks"):
    connection = server.connect_raw()
    kind = JSON if "filters" in request else LOG
    head = (f"{method} {request} HTTP/1.1", "Host: x", f"Content-Type: {kind}", "Content-Length: 9", "", "")
    connection.sendall("\r\n".join(head).encode())
    return connection


def ask_and_stall(contract, server):
    """All at once, since the server's patience has to pass."""
    begun = [(method, path, start_a_body(server, method, filled(path, IN_PATH, {})))
             for method, path, _ in contract.operations()]
    for method, path, connection in begun:
        response = http.client.HTTPResponse(connection)
        response.begin()
        yield Asked(method, path, "a body that does not come", servers.read_answer(response))
        connection.close()


def ask_when_all_connections_are_used(contract, server):
    held = [start_a_body(server) for _ in range(8)]
    for method, path, _ in contract.operations():
        request = filled(path, IN_PATH, {})

        def refused():
            try:
                answer = server.ask(method, request, b"" if method == "POST" else None, {"Content-Type": LOG})
            except (OSError, http.client.HTTPException):
                return None
            return answer if answer.status == 503 else None
        yield Asked(method, path, request, wait_until(refused, f"{request} is refused"))
    for connection in held:
        connection.close()


def send_until_memory_is_full(server):
    for number in range(1000):
        answer = server.post_lines([click(f"ad{number}", user=f"user {line}").log_line() for line in range(500)])
        yield Asked("POST", "/v1/clicks", "one batch more", answer)
        if answer.status == 503:
            return
    raise AssertionError("it never was full")


def ask_while_the_journal_is_replayed(contract, server):
    """Each read of the journal is made slow."""
    server.post(GOOD[LOG], LOG)
    server.kill()
    shutil.rmtree(server.data / "store")
    server.launch(wrap=["strace", "-D", "-f", "-q", "-o", "/dev/null", "-e", "trace=pread64", "-e",
                        "inject=pread64:delay_enter=200000"])
    wait_until(server.listening, "listening")
    yield Asked("GET", "/readyz", "/readyz", server.get("/readyz"))
    for path, operation in gets(contract):
        request = next(questions(contract, path, operation))[0]
        yield Asked("GET", path, request, server.get(request))
    yield Asked("POST", "/v1/clicks", "while the journal is replayed", server.post(GOOD[LOG], LOG))
    wait_until(server.is_ready, "ready")
