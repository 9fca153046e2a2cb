"""Installing packages: only what is missing, with its reason, without a question; nothing at all when all is there."""
import os
import subprocess

import pytest
from conftest import ROOT


def listed(*sets):
    run = subprocess.run([ROOT / "tools/install-packages", "--list", *sets], capture_output=True, text=True, check=True)
    return [line.split(maxsplit=1) for line in run.stdout.splitlines()]


@pytest.fixture
def machine(tmp_path):
    """A machine with the installed packages that it is told, whose apt-get and sudo only write down how they were called."""

    def run(installed, arguments, user="0", sudo=True, apt="exit 0"):
        for old in tmp_path.iterdir():
            old.unlink()
        programs = {
            "dpkg-query": "\n".join(f"echo 'ii {name}'" for name in installed) + "\necho 'rc strace'",
            "apt-get": f'echo "apt-get $DEBIAN_FRONTEND $*" >> {tmp_path}/calls\n{apt}',
            "id": f"echo {user}",
        }
        if sudo:
            programs["sudo"] = f'echo "sudo $*" >> {tmp_path}/calls\n"$@"'
        for name, script in programs.items():
            (tmp_path / name).write_text(f"#!/bin/bash\n{script}\n")
            (tmp_path / name).chmod(0o755)
        for name in ("bash", "env", "sed", "grep", "mktemp", "rm", "cat"):
            (tmp_path / name).symlink_to(f"/usr/bin/{name}")
        done = subprocess.run([ROOT / "tools/install-packages", *arguments], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, env=os.environ | {"PATH": str(tmp_path)})
        calls = tmp_path / "calls"
        return done, calls.read_text().splitlines() if calls.exists() else []

    return run


def names(*sets):
    return [package for package, why in listed(*sets)]


def test_every_package_has_a_reason_and_stands_once():
    rows = listed("build", "test")
    assert all(len(row) == 2 for row in rows)
    assert len({package for package, why in rows}) == len(rows)


def test_nothing_is_said_or_called_when_all_is_there(machine):
    done, calls = machine(names("build"), ["build"], user="1000", sudo=False)
    assert (done.returncode, done.stdout, done.stderr, calls) == (0, "", "", [])


def test_what_is_missing_is_named_with_its_reason_and_installed(machine):
    done, calls = machine(set(names("build", "test")) - {"meson", "strace"}, ["build", "test"])
    assert done.returncode == 0
    assert "meson                    build system" in done.stdout
    assert "strace " in done.stdout, "a package of which only the configuration is left is missing"
    assert "gcc" not in done.stdout
    assert len(calls) == 2 and " update" in calls[0]
    assert calls[1].startswith("apt-get noninteractive ")
    assert calls[1].endswith("install -y --no-install-recommends meson strace")


def test_a_user_who_is_not_root_goes_through_sudo(machine):
    done, calls = machine(set(names("build")) - {"meson"}, ["build"], user="1000")
    assert done.returncode == 0
    assert calls[0].startswith("sudo env DEBIAN_FRONTEND=noninteractive apt-get")


def test_without_root_or_sudo_it_says_what_to_do(machine):
    done, calls = machine(set(names("build")) - {"meson"}, ["build"], user="1000", sudo=False)
    assert done.returncode == 1
    assert "As root: apt-get install --no-install-recommends meson" in done.stderr
    assert calls == []


def test_a_failing_apt_get_fails_with_what_it_said(machine):
    done, calls = machine(set(names("build")) - {"meson"}, ["build"], apt="echo no network here; exit 100")
    assert done.returncode == 1
    assert "no network here" in done.stderr and "wanted: meson" in done.stderr


@pytest.mark.parametrize("arguments", [[], ["builds"]])
def test_a_set_that_does_not_exist_is_refused(machine, arguments):
    done, calls = machine([], arguments)
    assert done.returncode == 1
    assert calls == []
