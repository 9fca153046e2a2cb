"""Servers for tests. Each is ended with its test, and what it said is shown when the test fails."""
import pathlib
import shutil
import sys
import tempfile

import pytest

sys.dont_write_bytecode = True
import server as servers  # noqa: E402


def pytest_sessionstart(session):
    del session
    if not pathlib.Path(servers.BINARY).is_file():
        pytest.exit(f"no binary at {servers.BINARY}: build it, or set TALLY_BINARY", returncode=3)


class Factory:
    def __init__(self):
        self.made = []

    def __call__(self, directory=None, **options):
        """A server that is not started yet."""
        made = servers.Server(directory or tempfile.mkdtemp(prefix="tally-e2e-"), **options)
        made.removed_at_end = directory is None
        self.made.append(made)
        return made

    def end(self):
        for made in self.made:
            made.end()
            for log in sorted(made.directory.glob("serve-*.log"), key=lambda log: log.stat().st_mtime)[-3:]:
                print(f"--- {log}\n{log.read_text(errors='replace')[-4000:]}")
            if made.removed_at_end:
                shutil.rmtree(made.directory, ignore_errors=True)


@pytest.fixture
def new_server():
    factory = Factory()
    yield factory
    factory.end()


@pytest.fixture
def server(new_server):
    """One with default rules, running."""
    return new_server().start()


@pytest.fixture(scope="module")
def shared_server():
    """Running, for the tests of one file that leave nothing which another one could see."""
    factory = Factory()
    yield factory().start()
    factory.end()
