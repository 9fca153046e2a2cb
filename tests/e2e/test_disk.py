"""A disk that is full or fails: nothing is acknowledged that is not durable, the server says so and stops."""
import http.client
import resource

import pytest

from clicks import click, read_cells
from faults import SmallDisk, may_mount, strace

PAST = ("--lateness", "96h")
BATCH = 200


def batch(number, size=BATCH):
    """Lines of an ad of their own, with long ids."""
    return [click(f"ad{number}", time="2021-01-01 00:00:01", user=f"{line:0>128}").log_line() for line in range(size)]


def send_until_refused(server, batches, size=BATCH):
    """The numbers of the batches that were answered with 200, all before the first that was not."""
    acknowledged = []
    for number in batches:
        try:
            answer = server.post_lines(batch(number, size))
        except (OSError, http.client.HTTPException):
            return acknowledged
        if answer.status != 200:
            assert answer.status == 503 and answer.headers["Retry-After"]
            return acknowledged
        assert answer.json["accepted"] == size
        acknowledged.append(number)
    raise AssertionError("nothing ever failed")


def assert_stopped_with(server, *words):
    assert server.exit_code() == 1, server.log()
    last = server.events()[-1]
    assert last["event"] == "failed" and any(word in last["message"] for word in words), server.log()


def assert_all_there(server, acknowledged, size=BATCH):
    """What was acknowledged whole; what was not, at most once."""
    cells = read_cells(server.export())
    counts = {int(ad.removeprefix("ad")): count for (ad, _), count in cells.items()}
    assert acknowledged and {number: counts.get(number) for number in acknowledged} == {number: size for number in acknowledged}
    assert all(count <= size for count in counts.values())
    again = max(acknowledged) + 1
    assert server.post_lines(batch(again, size)).status == 200
    server.settled()
    assert read_cells(server.export())[f"ad{again}", "2021-01-01T00:00:00Z"] == size


@pytest.fixture
def small_disk():
    if not may_mount():
        pytest.skip("no small disk on this machine: a tmpfs cannot be mounted")
    disk = SmallDisk()
    yield disk
    disk.remove()


@pytest.mark.parametrize("flags", [(), ("--checkpoint-interval", "100ms", "--flush-interval", "100ms")],
                         ids=["journal", "journal and store"])
def test_a_full_disk_costs_nothing_acknowledged(small_disk, new_server, flags):
    server = new_server()
    server.data = f"{small_disk.path}/data"
    flags = (*PAST, "--segment-size", "256KiB", *flags)
    server.start(*flags)
    acknowledged = send_until_refused(server, range(10_000))
    assert_stopped_with(server, "No space left on device", "no space")
    small_disk.give_room()
    server.start(*flags)
    assert_all_there(server, acknowledged)
    server.stop()


def test_a_disk_too_small_to_start_on_is_a_failure_with_its_reason(small_disk, new_server):
    server = new_server()
    server.data = f"{small_disk.path}/data"
    server.launch("--segment-size", "64MiB")
    assert server.exit_code() == 1 and "No space left" in server.log()
    server.start("--segment-size", "256KiB")


def test_a_file_that_may_not_grow_costs_nothing_acknowledged(new_server):
    """A limit of the file size is a full disk that needs no mount."""
    limit = 512 * 1024
    server = new_server().start(*PAST, "--segment-size", "64KiB",
                                in_child=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    acknowledged = []
    for number in range(5):
        assert server.post_lines(batch(number)).status == 200
        acknowledged.append(number)
    try:  # one record with all of this is larger than a file may be
        assert server.post_lines(batch(5, size=4000)).status == 503
    except (OSError, http.client.HTTPException):
        pass
    assert_stopped_with(server, "File too large")
    server.start(*PAST, "--segment-size", "64KiB")
    assert_all_there(server, acknowledged, BATCH)


@pytest.mark.parametrize("call, error, when, words", [
    ("fdatasync", "EIO", "8", "Input/output error"), ("fdatasync", "EIO", "8+", "Input/output error"),
    ("fdatasync", "ENOSPC", "9", "No space left on device"), ("pwrite64", "EIO", "9+", "Input/output error"),
    ("pwrite64", "ENOSPC", "9", "No space left on device")])
def test_a_failed_write_or_sync_is_never_acknowledged(new_server, call, error, when, words):
    server = new_server()
    server.start(*PAST, wrap=strace(server.directory, call, f"error={error}", when))
    acknowledged = send_until_refused(server, range(100), size=1)
    assert 1 <= len(acknowledged) < 20
    assert_stopped_with(server, words)
    assert "INJECTED" in (server.directory / "strace.log").read_text()
    server.start(*PAST)
    assert_all_there(server, acknowledged, size=1)


def ask_at_once(server, numbers):
    """{number: status of a click of that ad}, None without an answer; all are sent before the first is read."""
    connections, statuses = {}, dict.fromkeys(numbers)
    for number in numbers:
        try:
            connections[number] = server.connect()
            connections[number].request("POST", "/v1/clicks", batch(number, 1)[0].encode(), {"Content-Type": "text/plain"})
        except OSError:
            pass  # it stopped meanwhile: no answer comes either
    for number, connection in connections.items():
        try:
            statuses[number] = connection.getresponse().status
        except (OSError, http.client.HTTPException):
            pass
        connection.close()
    return statuses


def test_a_failed_sync_is_acknowledged_to_none_of_those_that_wait_for_it(new_server):
    server = new_server()
    server.start(*PAST, wrap=strace(server.directory, "fdatasync", "error=EIO", "9+"))
    statuses = {}
    while set(statuses.values()) <= {200}:
        assert len(statuses) < 1000
        statuses |= ask_at_once(server, range(len(statuses), len(statuses) + 8))
    assert set(statuses.values()) <= {200, 503, None}
    assert_stopped_with(server, "Input/output error")
    server.start(*PAST)
    assert_all_there(server, [number for number, status in statuses.items() if status == 200], size=1)
