"""The scenarios of `tally bench` with few clicks: they check the server's answers themselves, and give all their figures."""
import json

import pytest

from server import tally

PASSES = ["none", "filters", "ranked", "one_ad", "one_ad_filters", "none_2", "filters_2"]
SMALL = ["--runs", "1", "--format", "json", "--clicks", "20000"]
SHORT = ["--seconds", "1", "--questions", "100", "--rate", "2000"]


def figures(scenario, *more, tmp_path):
    done = tally("bench", "--scenario", scenario, *SMALL, *more, env={"TMPDIR": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["scenario"] == scenario
    assert not list(tmp_path.iterdir())
    return {name: figure["median"] for name, figure in answer["figures"].items()}


def test_filters_are_measured_against_none(tmp_path):
    got = figures("filters", tmp_path=tmp_path)
    for name in PASSES:
        assert got[f"{name}_clicks_per_s"] > 0
        assert name in ("none", "none_2") or got[f"{name}_time_ratio"] > 0
    assert 0.9 < got["atoms_per_click"] < 1.1 and 1.9 < got["atoms_per_click_2"] < 2.1
    assert got["atoms"] > 3000 and got["filters_mib"] > 0 and got["answers_checked"] == 4 * 50 * 4


def test_filtered_questions_are_asked_of_a_day(tmp_path):
    got = figures("filtered_queries", *SHORT, tmp_path=tmp_path)
    assert got["errors"] == 0 and got["answers_checked"] == 400 and got["history_clicks"] == 20000
    assert got["count_p99_ms"] >= got["count_p50_ms"] > 0 and got["rank_max_ms"] > 0


@pytest.mark.parametrize("scenario", ["batches", "queries"])
def test_without_filters_it_is_measured_too(scenario, tmp_path):
    got = figures(scenario, *SHORT, tmp_path=tmp_path)
    assert got["peak_rss_mib"] > 0
