"""Documents do not go stale silently: links lead somewhere, and the code that ARCHITECTURE.md names is there."""
import re

import pytest

from conftest import ROOT

LINK = re.compile(r"\[[^\]]*\]\(([^()\s]+)\)")
HEADING = re.compile(r"^#+ +(.+?) *#*$", re.M)
FENCE = re.compile(r"^ *(```|~~~).*?^ *\1", re.M | re.S)
SPAN = re.compile(r"`[^`\n]+`")
# `intake/session.c:take_line`, `src/node/node.h`, `tests/sim/world.c`; line numbers would be stale at once.
PLACE = re.compile(r"`([a-z_]+(?:/[a-z0-9_]+)+\.(?:c|h|cpp))(?::([A-Za-z_][A-Za-z0-9_]*))?`")


def documents(root):
    skipped = ("build", ".git", ".pytest_cache", "node_modules")
    found = [path for path in root.rglob("*.md")
             if not any(part.startswith(skipped) for part in path.relative_to(root).parts[:-1])]
    return sorted(found)


def anchors(text):
    """Of a document's headings, as GitHub makes them."""
    names = set()
    for title in HEADING.findall(FENCE.sub("", text)):
        title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).replace("`", "").lower()
        name = re.sub(r"[^\w\- ]", "", title).replace(" ", "-")
        copies = sum(1 for other in names if other == name or re.fullmatch(re.escape(name) + r"-\d+", other))
        names.add(f"{name}-{copies}" if copies else name)
    return names


def broken_links(root):
    problems = []
    for document in documents(root):
        text = SPAN.sub("", FENCE.sub("", document.read_text()))
        for target in LINK.findall(text):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            to = (document.parent / path).resolve() if path else document
            where = f"{document.relative_to(root)}: {target}"
            if not to.exists():
                problems.append(f"{where}: there is no such file")
            elif root not in to.parents and to != root:
                problems.append(f"{where}: outside of the project")
            elif anchor and to.suffix == ".md" and anchor not in anchors(to.read_text()):
                problems.append(f"{where}: there is no such heading")
    return problems


def defined(name, source):
    """A function's head, at the start of a line, with its body or (in a header) its semicolon."""
    return re.search(rf"^[A-Za-z_][\w \t*]*[ *]{re.escape(name)}\(", source, re.M) is not None


def stale_places(root, document):
    problems, seen = [], 0
    for path, function in PLACE.findall((root / document).read_text()):
        seen += 1
        file = root / path if (root / path).exists() else root / "src" / path
        if not file.exists():
            problems.append(f"{document}: {path}: there is no such file")
        elif function and not defined(function, file.read_text()):
            problems.append(f"{document}: {path}:{function}: there is no such function in it")
    return problems, seen


def test_every_relative_link_leads_somewhere():
    assert len(documents(ROOT)) > 10
    assert broken_links(ROOT) == []


def test_what_architecture_names_is_in_the_code():
    problems, seen = stale_places(ROOT, "ARCHITECTURE.md")
    assert seen > 60
    assert problems == []


def test_architecture_names_every_invariant_and_where_it_is_checked():
    rows = re.findall(r"^\| (I\d+) \|.*\| (.*) \|$", (ROOT / "ARCHITECTURE.md").read_text(), re.M)
    assert [name for name, _ in rows] == [f"I{i}" for i in range(1, 11)]
    assert all(PLACE.search(where) for _, where in rows)


def test_every_decision_is_in_the_index():
    index = (ROOT / "docs/adr/README.md").read_text()
    missing = [path.name for path in (ROOT / "docs/adr").glob("0*.md") if f"({path.name})" not in index]
    assert missing == []


def test_every_document_of_docs_is_in_the_index():
    index = (ROOT / "docs/README.md").read_text()
    names = [str(path.relative_to(ROOT / "docs")) for path in documents(ROOT / "docs")]
    missing = [name for name in names if not name.startswith("adr/0") and name != "README.md" and f"({name})" not in index]
    assert missing == []


@pytest.mark.parametrize("text, problem", [
    ("[gone](gone.md)", "there is no such file"),
    ("[gone](other.md#gone)", "there is no such heading"),
    ("[out](../../../etc)", "outside of the project"),
    ("[a](other.md#two-words) [b](#here) [c](https://example.org/x) `[d](code.md)`\n\n# Here", None),
    ("```\n[in a fence](gone.md)\n```", None),
])
def test_a_planted_broken_link_is_seen(tmp_path, text, problem):
    root = tmp_path / "a" / "b"
    root.mkdir(parents=True)
    (tmp_path.parent / "etc").mkdir(exist_ok=True)
    (root / "other.md").write_text("# One\n\n## Two `words`\n")
    (root / "a.md").write_text(text)
    found = broken_links(root)
    assert len(found) == (problem is not None)
    assert problem is None or problem in found[0]


@pytest.mark.parametrize("place, problem", [
    ("`view/view.c:view_apply`", None),
    ("`src/view/view.c:view_apply`", None),
    ("`view/gone.c:view_apply`", "there is no such file"),
    ("`view/view.c:view_gone`", "there is no such function"),
    ("`view/view.c:partial_apply`", "there is no such function"),  # called there, not defined
])
def test_a_planted_stale_place_is_seen(tmp_path, place, problem):
    (tmp_path / "src/view").mkdir(parents=True)
    (tmp_path / "src/view/view.c").write_text("void view_apply(struct view *view) {\n    partial_apply(view);\n}\n")
    (tmp_path / "A.md").write_text(f"See {place}.")
    problems, seen = stale_places(tmp_path, "A.md")
    assert seen == 1
    assert len(problems) == (problem is not None)
    assert problem is None or problem in problems[0]


# `tests/unit/node/node_test.c:a_name`, `tests/e2e/test_restart.py:test_name`
TEST = re.compile(r"`(tests/[a-z0-9_/]+\.(?:c|py))(?::([a-z0-9_]+))?`")


def missing_tests(root, document):
    missing = []
    for path, name in TEST.findall((root / document).read_text()):
        file = root / path
        if not file.is_file() or name and not re.search(rf"\b{name}\(", file.read_text()):
            missing.append(f"{path}:{name}")
    return missing


def test_the_tests_that_guard_against_past_bugs_are_there():
    assert missing_tests(ROOT, "docs/track-record.md") == []


def test_a_guard_that_is_gone_is_noticed(tmp_path):
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/one_test.c").write_text("static void it_holds(void **state) {}\n")
    (tmp_path / "record.md").write_text("`tests/one_test.c:it_holds` `tests/one_test.c:gone` `tests/none.c`\n")
    assert missing_tests(tmp_path, "record.md") == ["tests/one_test.c:gone", "tests/none.c:"]
