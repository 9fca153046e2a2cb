"""/openapi.json against the running server and the source: all that can be provoked is asked once, and every answer must be
one that the document describes; and the document has nothing that is not there."""
import http.client
import itertools
import json
import re

import jsonschema
import pytest

import conftest
import openapi_asking as asking
import server as servers
from clicks import json_line
from contract import KEYWORDS, Contract, references_in, schemas_in
from openapi_asking import NOON

ROOT = servers.ROOT
URN = "urn:tally:problem:"
NOT_PROVOKED = {
    "429": "this version never says it",
    "500": "needs a store that breaks",
    "501": "needs a transport without streams",
}
PROBLEMS_NOT_PROVOKED = {"store-failed", "not-supported", "not-committed"}  # the last needs a journal that breaks


@pytest.fixture(scope="module")
def contract():
    return Contract(json.loads((ROOT / "web" / "openapi.json").read_text()))


@pytest.fixture(scope="module")
def asked(contract):
    """All that was asked and answered."""
    factory = conftest.Factory()
    try:
        server = factory().start("--partitions", "1")
        seen = [*asking.change_every_filter(contract, server)]
        seen += asking.ask_every_question(contract, server)  # before the first click
        seen += asking.send_clicks(contract, server)
        server.post(json_line(click_timestamp=NOON, user_id="later"))  # closes the others' minute
        server.settled()
        seen += asking.ask_every_question(contract, server)
        seen += asking.ask_every_question(contract, server, "HEAD")
        seen += asking.ask_what_no_single_value_reaches(server)
        seen += asking.ask_with_other_methods(contract, server)
        seen += asking.end_a_filter(server)
        seen += asking.ask_for_too_much(factory().start("--filters-max", "1", "--ranking-cells-max", "1000"))
        seen += asking.watch_too_many(server)
        seen += asking.ask_and_stall(contract, factory().start("--http-idle-timeout", "1s"))
        small = factory().start("--http-connections", "2", "--http-threads", "1")
        seen += asking.ask_when_all_connections_are_used(contract, small)
        seen += asking.send_until_memory_is_full(factory().start("--dedup-memory", "1MiB", "--lateness", "96h"))
        seen += asking.ask_while_the_journal_is_replayed(contract, factory().start())
        yield seen
    finally:
        factory.end()


# --- the document and the server ---

def test_every_answer_is_one_that_the_document_describes(contract, asked):
    wrong = []
    for one in asked:
        try:
            contract.check(one.method, one.path, one.answer)
        except (AssertionError, ValueError, jsonschema.ValidationError) as trouble:
            wrong.append(f"{one.method} {one.request}: {str(trouble)[:400]}")
    assert not wrong, "\n".join(wrong[:20])


def test_everything_in_the_document_was_answered(contract, asked):
    documented = {(method, path, status, kind) for method, path, operation in contract.operations()
                  for status, response in operation["responses"].items() if status not in NOT_PROVOKED
                  for kind in contract.resolved(response).get("content", {None: None})}
    seen = {(one.method, one.path, str(one.answer.status), None if one.answer.status == 304 else one.answer.type)
            for one in asked}
    missing = documented - seen
    # A server that has failed or is stopping is not to be had at will.
    assert missing == {("GET", "/livez", "503", "text/plain")}


def test_every_code_and_every_type_of_problem_was_answered(contract, asked):
    problems = [one.answer.json for one in asked if one.method != "HEAD" and one.answer.type == "application/problem+json"]
    codes = {code for problem in problems for code in problem.get("errors_by_code", ())}
    assert codes == set(contract.document["components"]["schemas"]["RejectCode"]["enum"])
    types = set(contract.document["components"]["schemas"]["ProblemType"]["enum"])
    assert types - {problem["type"] for problem in problems} == {URN + name for name in PROBLEMS_NOT_PROVOKED}


def test_a_time_means_the_same_in_every_form(contract, server):
    for form in contract.document["components"]["schemas"]["Time"]["examples"]:
        request = asking.filled("/v1/ads/popular_ads", {}, {"at": form})
        assert server.get(request).json["update_minute"] == NOON


def test_the_document_is_served_as_it_is_and_says_which_version_it_describes(contract, server):
    answer = server.get("/openapi.json")
    assert (answer.status, answer.type) == (200, "application/json")
    assert answer.body == (ROOT / "web" / "openapi.json").read_bytes()
    assert contract.document["info"]["version"] == server.status()["version_info"]["version"]


def test_a_click_is_taken_only_when_its_schema_allows_it(contract):
    """The reverse cannot be said in a schema: of leap years, of countries, of bytes."""
    validator = contract.validator({"$ref": "#/components/schemas/Click"})
    for members in ({}, {"event_id": "e1"}, {"country": None}, {"click_timestamp": "2021-01-01T00:00:01.5+01:00"},
                    {"click_timestamp": "1609459201"}, {"ip": "2001:db8::1"}, {"ip": "207.xxx.xx.22"}, {"more": 1}):
        validator.validate(json.loads(json_line(**members)))
    codes = ("not_object", "missing_field", "wrong_type", "bad_ad_id", "bad_user_id", "bad_event_id", "bad_timestamp")
    lines = [(code, json.loads(line)) for code, line in asking.BAD[asking.NDJSON] if code in codes]
    allowed = [code for code, line in lines if validator.is_valid(line)]
    # Bytes of UTF-8; days, hours and seconds that are not.
    assert sorted(allowed) == ["bad_ad_id"] + ["bad_timestamp"] * 3 and len(lines) > 30


# --- the document and the source ---

def calls_of(name, text):
    """The arguments of every call of a function, split where they part."""
    for match in re.finditer(rf"\b{name}\(", text):
        depth, in_string, arguments, at = 1, False, [""], match.end()
        while depth > 0:
            char = text[at]
            if char == '"' and text[at - 1] != "\\":
                in_string = not in_string
            depth += (char in "([{") - (char in ")]}") if not in_string else 0
            if char == "," and depth == 1 and not in_string:
                arguments.append("")
            elif depth > 0:
                arguments[-1] += char
            at += 1
        yield arguments


def problems_in_source():
    found = set()
    for path in sorted((ROOT / "src").rglob("*.c")):
        text = path.read_text()
        for name in ("reply_problem", "reply_problem_open"):
            for arguments in calls_of(name, text):
                found.update(re.findall(r'"([a-z-]+)"', arguments[2]))
        found.update(re.findall(URN + r"([a-z-]+)", text))
    return found


def test_the_types_of_problems_are_those_in_the_source(contract):
    found = problems_in_source()
    assert len(found) >= 15, "the search finds nothing any more"
    assert {URN + name for name in found} == set(contract.document["components"]["schemas"]["ProblemType"]["enum"])


def test_the_codes_are_those_in_the_source(contract):
    codes = re.findall(r'X\(\w+, "(\w+)",', (ROOT / "src" / "click" / "reject.h").read_text())
    assert codes == contract.document["components"]["schemas"]["RejectCode"]["enum"] and len(codes) >= 16


def test_every_path_that_answers_is_in_the_document(contract, server):
    """Tried are all that the source names, whole, and in every order of the segments that it compares with."""
    texts = {folder: "".join(path.read_text() for path in sorted((ROOT / "src" / folder).glob("*.c")))
             for folder in ("node", "query", "page")}
    whole = {text for source in texts.values() for text in re.findall(r'"(/[\w/.]*)"', source)}
    words = sorted(set(re.findall(r'is\(segment\[\d\], "(\w+)"\)', texts["query"])))
    assert {"/v1/clicks", "/readyz", "/v1/live"} <= whole and {"v1", "ads", "series", "metrics"} <= set(words)
    assert len(words) <= 12, "that would be too many requests"
    tried = whole | {"/", "/openapi.json"} | {f"/assets/{path.name}" for path in (ROOT / "web").iterdir()}
    for length in (1, 2, 3):
        tried |= {"/" + "/".join(parts) for parts in itertools.product(words, repeat=length)}
    tried |= {f"/{first}/{second}/ad001/{last}" for first, second, last in itertools.product(words, repeat=3)}
    templates = [re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))) for path in contract.document["paths"]]
    connection = server.connect()
    answering = set()
    for path in sorted(tried - {"/v1/live"}):
        connection.request("GET", path)
        if servers.read_answer(connection.getresponse()).status != 404:
            answering.add(path)
    connection.close()
    assert len(answering) >= 10
    assert [path for path in sorted(answering) if not any(template.fullmatch(path) for template in templates)] == []


# --- the document itself ---

def test_the_document_is_whole(contract):
    document = contract.document
    assert document["openapi"].startswith("3.1.")
    ids = [operation["operationId"] for _, _, operation in contract.operations()]
    assert len(ids) == len(set(ids))
    tags = {tag["name"] for tag in document["tags"]}
    for _, path, operation in contract.operations():
        assert operation["summary"] and set(operation["tags"]) <= tags
        in_path = {parameter["name"] for parameter in contract.parameters(operation) if parameter["in"] == "path"}
        assert in_path == set(re.findall(r"\{(\w+)\}", path))
        assert all(contract.resolved(response)["description"] for response in operation["responses"].values())
    used = set(references_in(document))
    for reference in used:
        contract.resolver.resolve(reference)
    there = {f"#/components/{kind}/{name}" for kind, parts in document["components"].items() for name in parts}
    assert there - used == {"#/components/responses/NotFound", "#/components/responses/MethodNotAllowed"}


def test_the_schemas_are_schemas_and_let_members_be_added(contract):
    schemas = list(schemas_in(contract.document))
    assert len(schemas) > 100
    for schema in schemas:
        jsonschema.Draft202012Validator.check_schema(schema)
        assert set(schema) <= KEYWORDS, set(schema) - KEYWORDS
        assert schema.get("additionalProperties") is not False and "unevaluatedProperties" not in schema
        for example in schema.get("examples", []):
            contract.validator(schema).validate(example)


def test_the_checker_finds_what_is_not_described(contract):
    """The checks above would pass whatever is answered, if it did not."""
    ranking = {"ad_ids": ["a"], "ads": [{"ad_id": "a", "count": 1}], "window": 1, "update_minute": NOON, "from": NOON,
               "to": NOON, "exact": True, "published": False, "state": "open", "version": 1, "watermark": None, "filter_id": 0,
               "complete": True}
    problem = {"type": URN + "bad-range", "title": "t", "status": 400, "detail": "d"}

    def found(path, status, body, kind="application/json"):
        headers = http.client.HTTPMessage()
        headers["Content-Type"] = kind
        try:
            contract.check("GET", path, servers.Answer(status, headers, json.dumps(body).encode()))
        except (AssertionError, jsonschema.ValidationError):
            return True
        return False

    path = "/v1/ads/popular_ads"
    assert not found(path, 200, ranking) and not found(path, 400, problem, "application/problem+json")
    assert found(path, 200, ranking | {"more": 1})
    assert found(path, 200, ranking | {"ads": [{"ad_id": "a", "count": 1, "more": 1}]})
    assert found(path, 200, ranking | {"ads": [{"ad_id": "a", "count": 0}]})
    assert found(path, 200, ranking | {"state": "half"})
    assert found(path, 200, {name: value for name, value in ranking.items() if name != "exact"})
    assert found(path, 200, ranking, "text/plain") and found(path, 202, ranking) and found("/v1/filters", 200, ranking)
    assert found(path, 400, problem | {"more": 1}, "application/problem+json")
    assert found(path, 400, problem | {"status": 404}, "application/problem+json")
    assert found(path, 400, problem | {"type": URN + "not-now"}, "application/problem+json")
