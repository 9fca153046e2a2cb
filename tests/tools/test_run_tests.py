"""The runner of all tests: its numbers are real, and nothing that crashed, hung or ran nothing passes."""
import io
import json
import subprocess

import pytest
from conftest import load

run_tests = load("run-tests")
results = run_tests.results


@pytest.fixture(autouse=True)
def own_logs(tmp_path, monkeypatch):
    monkeypatch.setattr(run_tests, "LOGS", tmp_path / "logs")


def part(name, script, **more):
    return run_tests.Part(name, "planted", [["bash", "-c", script]], **more)


def ran(*parts):
    out = io.StringIO()
    total = run_tests.Runner(parts, out).run()
    return total.passed, total.failed, out.getvalue()


def test_a_gate_is_one_case():
    assert ran(part("a", "true"), part("b", "true"))[:2] == (2, 0)


def test_a_gate_that_fails_is_shown_with_the_tail_of_its_log():
    passed, failed, text = ran(part("a", "echo the reason; exit 3"))
    assert (passed, failed) == (0, 1)
    assert "    | the reason" in text and "exit code 3" in text


def test_a_part_that_crashes_has_failed():
    assert ran(part("a", "kill -SEGV $$"))[:2] == (0, 1)


def test_a_part_whose_program_is_missing_has_failed():
    missing = run_tests.Part("a", "planted", [["/nonexistent/program"]])
    assert ran(missing)[:2] == (0, 1)


def test_a_part_that_hangs_is_ended_and_has_failed():
    passed, failed, text = ran(part("a", "sleep 1000", seconds_max=1))
    assert (passed, failed) == (0, 1)
    assert "ended after 1 s" in text


def test_of_a_part_that_passed_only_what_is_to_be_shown_is():
    text = ran(part("a", "echo before; echo the table:; echo one 1", shown="the table:"), part("b", "echo hidden"))[2]
    assert "    | the table:\n    | one 1" in text
    assert "before" not in text and "hidden" not in text


def test_what_needs_a_failed_part_is_not_run_and_counts_as_failed(tmp_path):
    mark = tmp_path / "ran"
    passed, failed, text = ran(part("a", "false"), part("b", f"touch {mark}", needs=("a",)), part("c", "true", needs=("b",)))
    assert (passed, failed) == (0, 3)
    assert not mark.exists()
    assert "not run: a failed" in text and "not run: b failed" in text


def test_a_part_that_takes_all_cores_gets_its_turn():
    assert ran(part("a", "sleep 0.1"), part("b", "true", cores=2), part("c", "true"))[:2] == (3, 0)


def test_a_finding_of_a_sanitizer_is_a_failure_even_when_all_cases_passed():
    run_tests.LOGS.mkdir()
    (run_tests.LOGS / "a-finding.1").write_text("left from an earlier run")
    script = f"echo data race > {run_tests.LOGS}/a-finding.7"
    passed, failed, text = ran(part("a", script, reports="a-finding.*"))
    assert (passed, failed) == (1, 1)
    assert "data race" in text and "earlier run" not in text


def test_an_exit_code_counts_when_every_case_passed():
    assert results.settled(results.Result(passed=5), 1).failed == 1


def test_a_run_of_nothing_has_failed():
    assert results.settled(results.Result(skipped=2), 0).failed == 1


def meson_line(result, stderr=""):
    return json.dumps({"name": "x", "result": result, "stdout": "", "stderr": stderr}) + "\n"


@pytest.mark.parametrize("line, expected", [
    (meson_line("OK", "[==========] 3 test(s) run.\n[  PASSED  ] 3 test(s).\n"), (3, 0)),
    (meson_line("FAIL", "[  PASSED  ] 2 test(s).\n[  FAILED  ] 1 test(s), listed below:\n[  FAILED  ] b\n"), (2, 1)),
    (meson_line("OK"), (1, 0)),
    (meson_line("FAIL", "killed by signal 11"), (0, 1)),
    (meson_line("TIMEOUT", "[  PASSED  ] 3 test(s).\n"), (3, 1)),
    (meson_line("OK", "[  PASSED  ] 3 test(s).\n") + "cut sho", (3, 0)),
])
def test_cmocka_programs_count_by_their_cases(tmp_path, line, expected):
    (tmp_path / "testlog.json").write_text(line)
    got = results.meson(tmp_path / "testlog.json")
    assert (got.passed, got.failed) == expected


def test_pytest_counts_failures_and_errors(tmp_path):
    report = tmp_path / "report.xml"
    report.write_text('<testsuites><testsuite tests="9" failures="2" errors="1" skipped="1"/></testsuites>')
    got = results.pytest(report)
    assert (got.passed, got.failed, got.skipped) == (5, 3, 1)


def skipped_report(path, *reasons):
    cases = "".join(f'<testcase name="t"><skipped type="pytest.skip" message="{why}">t.py:1: {why}</skipped></testcase>'
                    for why in reasons)
    path.write_text(f'<testsuites><testsuite tests="{len(reasons) + 1}" skipped="{len(reasons)}"><testcase name="ran"/>'
                    f'{cases}</testsuite></testsuites>')


def test_each_reason_of_a_skip_is_one_line_however_many_were_skipped(tmp_path):
    skipped_report(tmp_path / "a.xml", "only root may mount", "no\nbrowser", "only root may mount")
    skipped_report(tmp_path / "b.xml", "only root may mount")
    total = results.pytest(tmp_path / "a.xml") + results.pytest(tmp_path / "b.xml")
    assert (total.passed, total.failed, total.skipped) == (2, 0, 4)
    assert total.skip_lines() == ["skipped 1: no browser", "skipped 3: only root may mount"]


def test_a_skip_by_pytest_itself_has_its_reason(tmp_path):
    (tmp_path / "test_it.py").write_text("import pytest\n\n\n@pytest.fixture\ndef disk():\n    pytest.skip('no disk here')\n"
                                         "\n\ndef test_a(disk):\n    pass\n\n\ndef test_b():\n    pass\n")
    command = [*run_tests.PYTEST, f"--junitxml={tmp_path}/report.xml", "-p", "no:cacheprovider", "."]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).returncode == 0
    assert results.pytest(tmp_path / "report.xml").skip_lines() == ["skipped 1: no disk here"]


def test_the_reasons_of_skips_stand_above_the_last_line(tmp_path, monkeypatch, capsys):
    skipped_report(tmp_path / "report.xml", "only root may mount")
    planted = part("a", "true", count=lambda log, exit_code: results.pytest(tmp_path / "report.xml"))
    monkeypatch.setattr(run_tests, "all_parts", lambda options: [planted])
    monkeypatch.setattr(run_tests.sys, "argv", ["run-tests", "a"])
    with pytest.raises(SystemExit) as ended:
        run_tests.main()
    assert ended.value.code == 0
    assert capsys.readouterr().out.splitlines()[-2:] == ["skipped 1: only root may mount", "1 passed, 0 failed, 1 skipped"]


def test_a_missing_or_broken_pytest_report_has_failed(tmp_path):
    assert results.settled(results.pytest(tmp_path / "none.xml"), 0).failed == 1
    (tmp_path / "cut.xml").write_text("<testsuites><testsu")
    assert results.pytest(tmp_path / "cut.xml").failed == 1


@pytest.mark.parametrize("log, expected", [
    ("seed 1\n500 passed, 0 failed\n", (500, 0)),
    ("498 passed, 2 failed\n", (498, 2)),
    ("100 passed, 0 failed\n", (100, 400)),
])
def test_seeds_are_cases_and_lost_ones_are_failures(log, expected):
    got = results.sim(log, 500)
    assert (got.passed, got.failed) == expected


def test_a_simulator_that_dies_without_its_last_line_has_failed():
    assert results.settled(results.sim("seed 1\nseed 2\n", 500), -11).failed == 1
    assert results.settled(results.sim("seed 1\nseed 2\n", 500), 0).failed == 1


def test_a_fuzzer_that_tried_no_input_has_failed():
    assert results.fuzz("stat::number_of_executed_units: 81223\n", 0).passed == 1
    assert results.settled(results.fuzz("stat::number_of_executed_units: 0\n", 0), 0).failed == 1


def test_a_fuzzer_that_found_a_crash_has_failed_and_passed_nothing():
    got = results.settled(results.fuzz("stat::number_of_executed_units: 81223\n", 77), 77)
    assert (got.passed, got.failed) == (0, 1)


def test_naming_a_part_takes_what_it_needs_along():
    parts = run_tests.all_parts(run_tests.read_options([]))
    assert [p.name for p in run_tests.chosen(parts, ["unit"])] == ["build", "unit"]
    assert len(run_tests.chosen(parts, ["fuzz-*"])) == 1 + len(run_tests.FUZZ_TARGETS)
    with pytest.raises(SystemExit):
        run_tests.chosen(parts, ["no-such-part"])


def test_every_part_that_is_needed_stands_before_the_part_that_needs_it():
    seen = set()
    for each in run_tests.all_parts(run_tests.read_options([])):
        assert set(each.needs) <= seen
        seen.add(each.name)


def test_the_whole_soak_ends_within_its_time_even_when_each_part_takes_all_of_its_own():
    """Parts that start as soon as there is room end by the sum over the cores and half of the longest of those that take one
    core, behind the builds that take all of them."""
    parts = run_tests.all_parts(run_tests.read_options(["--soak"]))
    soak = run_tests.chosen(parts, run_tests.SOAK_PARTS)
    builds = sum(part.seconds_max for part in soak if part.cores == run_tests.CORES)
    others = [part.seconds_max for part in soak if part.cores == 1]
    assert len(soak) == len(others) + 2
    longest = max(others) * (run_tests.CORES - 1) / run_tests.CORES
    assert builds + sum(others) / run_tests.CORES + longest <= run_tests.SOAK_TOTAL_SECONDS_MAX


def test_a_part_is_ended_by_the_end_of_the_whole_run():
    out = io.StringIO()
    total = run_tests.Runner([part("a", "sleep 1000")], out, seconds_max=1).run()
    assert (total.passed, total.failed) == (0, 1) and "ended after 1 s" in out.getvalue()


def test_the_program_ends_with_one_line_of_numbers_and_an_exit_code(copy):
    run = subprocess.run([copy / "tools/run-tests", "layers"], capture_output=True, text=True)
    assert run.stdout.splitlines()[-1] in ("1 passed, 0 failed", "0 passed, 1 failed")
    assert run.returncode == (0 if "1 passed" in run.stdout else 1)
