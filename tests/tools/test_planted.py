"""The list of planted bugs: each is a bug of its own, and can be planted."""
import collections
import sys

from conftest import ROOT

sys.path.insert(0, str(ROOT / "tests" / "planted"))
import bugs  # noqa: E402


def repeated(values):
    return [value for value, count in collections.Counter(values).items() if count > 1]


def test_each_right_text_occurs_once():
    texts = {path: (ROOT / path).read_text() for _, path, *_ in bugs.BUGS}
    assert [name for name, path, right, wrong, test in bugs.BUGS if texts[path].count(right) != 1 or right == wrong] == []


def test_no_two_bugs_are_the_same_edit_or_have_the_same_name():
    assert repeated(name for name, *_ in bugs.BUGS) == []
    assert repeated((path, right, wrong) for _, path, right, wrong, _ in bugs.BUGS) == []


def test_each_unit_test_that_is_named_is_listed():
    listed = (ROOT / "tests/unit/meson.build").read_text()
    named = {test for *_, test in bugs.BUGS if test != bugs.SIM and not test.startswith(bugs.SWEEP)}
    assert [test for test in named if f"'{test.replace('_', '/', 1)}'" not in listed] == []
