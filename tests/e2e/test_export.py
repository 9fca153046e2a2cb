"""The exported tables, against a plain loop over the clicks, and byte for byte against each other."""
import csv
import io
import shutil

import pytest

from clicks import read_cells
from server import tally, wait_until
from test_filters import (FILTERS, MINUTES, PAST, STREAM, ask, check_all, count_by_minute, create_all, definition, matches, minute,
                          post, problem, send, top_of)

TABLES = ("cells", "counts", "filters")


def export(server, table, filters=None):
    """By HTTP and by the verb, which must say the same."""
    server.settled()
    answer = server.get(f"/v1/export?table={table}" + (f"&filter={filters}" if filters else ""))
    assert answer.status == 200 and answer.type == "text/csv", answer.body
    done = tally("export", "--table", table, "--url", server.url, *(("--filter", filters) if filters else ()))
    assert done.returncode == 0 and done.stdout == answer.body.decode(), done.stderr
    return done.stdout


def export_all(server):
    return {table: export(server, table) for table in TABLES}


def export_all_offline(server):
    done = {table: tally("export", "--table", table, "--data", server.data) for table in TABLES}
    assert all(one.returncode == 0 for one in done.values()), done
    return {table: one.stdout for table, one in done.items()}


def counts_text(filters, clicks):
    """The table of counts, by a plain loop. `filters`: {id: (parts, the first minute that it covers, "" for all)}."""
    rows = []
    for filter_id, (parts, covers_from) in ({0: (("*", "*", "*"), "")} | filters).items():
        rows += [((ad.encode(), of, int(filter_id)), f"{ad},{of},{int(filter_id)},{count}\n")
                 for (ad, of), count in count_by_minute(parts, clicks).items() if of >= covers_from]
    return "ad_id,minute,filter_id,count\n" + "".join(row for _, row in sorted(rows))


def covering_all(filters):
    return {filter_id: (parts, "") for filter_id, parts in filters.items()}


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.every_build
def test_the_aggregated_table_of_the_task_is_that_of_a_plain_loop_and_of_every_replay(new_server):
    """`[AdClickEvent]` lines in, the filter table and the table of (ad, minute, filter, count) out."""
    server = new_server().start(*PAST)
    filters = dict(list(FILTERS.items())[:3])
    for filter_id, parts in filters.items():
        assert post(server, definition(filter_id, parts)).status == 201
    send(server, STREAM[:700])
    tables = export_all(server)
    assert tables["counts"] == counts_text(covering_all(filters), STREAM[:700])
    assert tables["filters"] == ("filter_id,region,ip,user_id,ranked,covers_from,number,deleted\n"
                                 "1,!USA,*,*,false,,3,false\n12,USA,*,111,false,,1,false\n13,*,123.1.2.3,123,false,,2,false\n")
    server.kill()
    shutil.rmtree(server.data / "store")
    server.start(*PAST)
    assert export_all(server) == tables
    server.stop()
    assert export_all_offline(server) == tables
    shutil.rmtree(server.data / "store")
    assert export_all_offline(server) == tables


def test_every_filter_has_its_counts_and_cells(new_server):
    server = new_server().start(*PAST, "--checkpoint-interval", "100ms")
    create_all(server)
    for begin in range(0, len(STREAM), 1000):
        send(server, STREAM[begin:begin + 1000])
    assert export(server, "counts") == counts_text(covering_all(FILTERS), STREAM)
    named = export(server, "counts", "0013,3,13")
    assert named.splitlines()[1:] == [row for row in counts_text(covering_all(FILTERS), STREAM).splitlines()[1:]
                                      if row.split(",")[2] in ("3", "13")]
    assert export(server, "counts", "0") == counts_text({}, STREAM)
    cells = rows_of(export(server, "cells"))
    keys = [(row["ad_id"].encode(), row["minute"], int(row["atom"]), row["country"]) for row in cells]
    assert keys == sorted(set(keys)) and all(int(row["count"]) > 0 for row in cells)
    of_user_111 = sum(matches(("*", "*", "111"), made) for made in STREAM)
    by_atom = {atom: sum(int(row["count"]) for row in cells if int(row["atom"]) == atom) for _, _, atom, _ in keys}
    assert by_atom[0] == len(STREAM) and by_atom[1] == of_user_111, "the first filter's atom is user 111"


def test_a_later_filter_is_exported_from_where_it_covers_and_whole_once_recalculated(new_server):
    server = new_server().start(*PAST)
    half = [made for made in STREAM if made.minute < minute(MINUTES // 2)]
    send(server, half)
    create_all(server)
    send(server, STREAM[len(half):])
    from_half = {filter_id: (parts, "" if parts[1:] == ("*", "*") else minute(MINUTES // 2)) for filter_id, parts in FILTERS.items()}
    assert export(server, "counts") == counts_text(from_half, STREAM)
    assert {row["covers_from"] for row in rows_of(export(server, "filters"))} == {"", minute(MINUTES // 2)}
    for filter_id in FILTERS:
        done = tally("recalculate", "--filter", filter_id, "--url", server.url)
        assert done.returncode == 0, done.stderr
    tables = export_all(server)
    assert tables["counts"] == counts_text(covering_all(FILTERS), STREAM)
    assert {row["covers_from"] for row in rows_of(tables["filters"])} == {""}
    server.stop()
    shutil.rmtree(server.data / "store")
    assert export_all_offline(server) == tables, "it waits until the past is counted again"
    shutil.rmtree(server.data / "store")
    server.start(*PAST)
    wait_until(lambda: all(stored["covers_from"] is None for stored in ask(server, "/v1/filters")["filters"]), "recalculated")
    assert export_all(server) == tables


def test_the_filter_table_makes_the_same_filters_elsewhere(new_server, tmp_path):
    one, other = new_server().start(*PAST), new_server().start(*PAST)
    create_all(one)
    assert post(one, [definition(70, ("*", "*", ["a|b", ' "c, d" ', "*"]), ranked=True), definition(71, ("FRA", "*", "*"))]).status == 201
    assert one.ask("DELETE", "/v1/filters/71").status == 200
    table = export(one, "filters")
    deleted = [row["filter_id"] for row in rows_of(table) if row["deleted"] == "true"]
    assert deleted == ["71"]
    file = tmp_path / "filters.csv"
    file.write_text(table)
    done = tally("filter", "add", "--file", file, "--url", other.url)
    assert done.returncode == 0 and "created 9" in done.stdout, done.stdout + done.stderr
    assert problem(other.get("/v1/filters/71")) == (404, "unknown-filter")

    def content(server):
        return [{name: stored[name] for name in ("filter_id", "region", "ip", "user_id", "ranked")}
                for stored in ask(server, "/v1/filters")["filters"]]

    assert content(other) == content(one) and len(content(one)) == 9
    assert post(one, table, "text/csv").status == 200, "nothing is new"
    send(other, STREAM)
    check_all(other)


def test_what_cannot_be_exported_is_said(new_server):
    server = new_server().start()
    assert post(server, definition(5, ("*", "*", "111"))).status == 201
    assert server.ask("DELETE", "/v1/filters/5").status == 200
    for query, detail in [("table=counts&filter=7", "no filter 7"), ("table=counts&filter=0,5", "5 was deleted")]:
        answer = server.get(f"/v1/export?{query}")
        assert problem(answer) == (404, "unknown-filter") and detail in answer.json["detail"]
    for query in ("table=counts&filter=", "table=counts&filter=1,,2", "table=counts&filter=x", "table=cells&filter=0", "filter=0",
                  "table=counts&filter=0&filter=0", "table=counts&filter=1,", "table=counts&filter=1000000000"):
        answer = server.get(f"/v1/export?{query}")
        assert problem(answer) == (400, "bad-parameter") and ("filter" in answer.json["detail"] or "table" in answer.json["detail"])
    server.stop()
    for arguments, code in [(["--table", "cells", "--filter", "0"], 2), (["--table", "counts", "--filter", "x"], 2),
                            (["--table", "counts", "--filter", "7"], 1)]:
        done = tally("export", *arguments, "--data", server.data)
        assert (done.returncode, done.stdout) == (code, "") and "filter" in done.stderr


def test_the_cells_of_all_clicks_are_what_they_were_without_filters(new_server):
    server = new_server().start(*PAST)
    send(server, STREAM[:500])
    before = server.export()
    create_all(server)
    assert server.export() == before, "a filter has no past of its own"
    assert sum(read_cells(before).values()) == 500


def test_the_rankings_that_are_kept_are_those_of_a_plain_loop(new_server):
    server = new_server().start(*PAST)
    ranked = {"12": FILTERS["0012"], "3": FILTERS["3"]}
    for filter_id, parts in ranked.items():
        assert post(server, definition(filter_id, parts, ranked=True)).status == 201
    clicks = [made for made in STREAM if made.minute < minute(12)]
    send(server, clicks)
    counts = {filter_id: count_by_minute(parts, clicks) for filter_id, parts in {"0": ("*", "*", "*"), **ranked}.items()}
    closed = [minute(number) for number in range(11)]

    def kept():
        """The rows, once every closed minute has its rankings and no late click is still to be told."""
        answer = server.get("/v1/export?table=rankings")
        assert answer.status == 200, answer.body
        rows, rankings = rows_of(answer.body.decode()), {}
        for row in rows:
            of = row["filter_id"], int(row["window"]), row["update_minute"]
            assert int(row["rank"]) == len(rankings.setdefault(of, [])) + 1 and int(row["version"]) > 0
            rankings[of].append({"ad_id": row["ad_id"], "count": int(row["count"])})
        complete = all((filter_id, window, of) in rankings for filter_id in counts for window in (5, 15, 60, 1440) for of in closed[4:])
        right = all(ads == top_of(counts[filter_id], closed.index(of) - window + 1, closed.index(of))
                    for (filter_id, window, of), ads in rankings.items() if of in closed)
        return rows if complete and right else None

    rows = wait_until(kept, "all rankings are kept")
    keys = [(int(row["filter_id"]), int(row["window"]), row["update_minute"], int(row["rank"])) for row in rows]
    assert keys == sorted(set(keys))
    done = tally("export", "--table", "rankings", "--url", server.url)
    assert done.returncode == 0
    assert done.stdout.startswith("filter_id,window,update_minute,version,rank,ad_id,count\n")
