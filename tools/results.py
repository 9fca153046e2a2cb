"""Reads what each kind of test runner leaves behind into one form: how many cases passed, failed, were skipped.

Nothing here trusts a runner to have got as far as its report: one that crashed, printed nothing or ran nothing counts as
failed (`settled`), whatever it says elsewhere.
"""
import collections
import dataclasses
import json
import re
import xml.etree.ElementTree


@dataclasses.dataclass
class Result:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    why: str = ""
    reasons: collections.Counter = dataclasses.field(default_factory=collections.Counter)  # of the skipped: how many each

    def __add__(self, other):
        return Result(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped,
                      "; ".join(w for w in (self.why, other.why) if w), self.reasons + other.reasons)

    def skip_lines(self):
        """A line for each reason, however many tests it kept from running."""
        return [f"skipped {count}: {reason}" for reason, count in sorted(self.reasons.items())]


def settled(result, exit_code):
    """The last word: an exit code other than 0 is a failure even when every case that was reported passed, and so is a
    run in which no case passed or failed."""
    if exit_code != 0 and result.failed == 0:
        return result + Result(failed=1, why=f"exit code {exit_code}")
    if result.passed + result.failed == 0:
        return result + Result(failed=1, why="ran nothing")
    return result


def gate(log, exit_code):
    """A check that says yes or no by its exit code: one case."""
    return Result(passed=1) if exit_code == 0 else Result()


def meson(report):
    """meson's testlog.json: one object a line. A cmocka program counts by its cases, any other as one."""
    total = Result()
    if not report.is_file():
        return total
    for line in report.read_text(errors="replace").splitlines():
        try:
            test = json.loads(line)
        except ValueError:
            continue
        total += meson_test(test)
    return total


def meson_test(test):
    text = (test.get("stdout") or "") + "\n" + (test.get("stderr") or "")
    result = Result(*(sum(int(n) for n in re.findall(rf"^\[  {word} *\] (\d+) test", text, re.M))
                      for word in ("PASSED", "FAILED", "SKIPPED")))
    if test.get("result") in ("OK", "EXPECTEDFAIL"):
        return result if result.passed + result.failed else Result(passed=1)
    if test.get("result") == "SKIP":
        return Result(skipped=1)
    return result if result.failed else result + Result(failed=1, why=f"{test.get('name')}: {test.get('result')}")


def pytest(report):
    """pytest's --junitxml; node's test runner writes the same."""
    if not report.is_file():
        return Result()
    try:
        suites = xml.etree.ElementTree.parse(report).getroot().iter("testsuite")
    except xml.etree.ElementTree.ParseError as broken:
        return Result(failed=1, why=f"unreadable report: {broken}")
    total = Result()
    for suite in suites:
        tests, bad, skipped = (int(suite.get(key, 0)) for key in ("tests", "failures", "skipped"))
        bad += int(suite.get("errors", 0))
        total += Result(tests - bad - skipped, bad, skipped, reasons=skip_reasons(suite))
    return total


def skip_reasons(suite):
    """An expected failure is reported as skipped, too, and has its reason in the same place."""
    notes = (note for case in suite.findall("testcase") for note in case.findall("skipped"))
    return collections.Counter(" ".join((note.get("message") or "no reason given").split()) for note in notes)


def sim(log, seeds):
    """The simulator's last line, `N passed, M failed`, a case a seed; fewer than asked for are failures."""
    lines = re.findall(r"^(\d+) passed, (\d+) failed$", log, re.M)
    if not lines:
        return Result()
    passed, failed = (int(n) for n in lines[-1])
    lost = max(0, seeds - passed - failed)
    return Result(passed, failed + lost, why=f"{lost} of {seeds} seeds did not run" if lost else "")


def sweep(log, exit_code):
    """The sweep's last line, `N passed, M failed`: a case a position."""
    lines = re.findall(r"^(\d+) passed, (\d+) failed$", log, re.M)
    return Result(int(lines[-1][0]), int(lines[-1][1])) if lines else Result()


def planted(log, exit_code):
    """`N caught, M missed`: a case a bug."""
    lines = re.findall(r"^(\d+) caught, (\d+) missed$", log, re.M)
    return Result(int(lines[-1][0]), int(lines[-1][1])) if lines else Result()


def fuzz(log, exit_code):
    """libFuzzer with -print_final_stats=1: one case, which must have run the parser at least once."""
    units = re.search(r"^stat::number_of_executed_units: *(\d+)$", log, re.M)
    return Result(passed=1) if exit_code == 0 and units and int(units.group(1)) > 0 else Result()
