"""Ten thousand connections that do nothing, or hardly anything: they are cut with a reason, and the others don't notice."""
import pathlib
import resource
import select
import socket
import struct
import time

from clicks import click
from server import wait_until

CROWD = 10_000
ROOM = CROWD + 200  # for what the test and the server have open besides
BEGINNINGS = (
    b"",  # connected and silent
    b"GET /v1/status HTTP/1.1\r\nHost: x\r\n",  # a head that never ends
    b"POST /v1/clicks HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\n[AdClick",  # nor a body
    b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n",  # asks, and never reads the answer
)


def allow_open_files(count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, max(hard, count)))


def ended(server):
    text = server.get("/metrics").body.decode()
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
               if line.startswith("tally_connections_ended_total"))


def test_ten_thousand_idle_connections_are_cut_and_the_others_do_not_notice(new_server):
    allow_open_files(ROOM)
    server = new_server().start("--http-connections", ROOM, "--http-idle-timeout", "5s")
    before = ended(server)
    crowd = []
    try:
        for number in range(CROWD):
            crowd.append(server.connect_raw())
            crowd[-1].sendall(BEGINNINGS[number % len(BEGINNINGS)])
        assert server.status()["phase"] == "serving"
        for number in range(50):
            assert server.post_lines([click("ad", f"2021-01-01 00:00:{number:02}", user=f"user {number}").log_line()]).status == 200
        assert server.settled()["counted"] == 50
        assert server.count("ad", "?from=202101010000&to=202101010001") == 50

        def all_cut():
            poller = select.poll()
            for connection in crowd:
                poller.register(connection, select.POLLRDHUP | select.POLLHUP | select.POLLERR)
            return len(poller.poll(0)) == CROWD

        wait_until(all_cut, "all of the crowd is cut")
        assert ended(server) - before >= CROWD * 3 / 4  # those that got their answer may count as ended in order
        assert server.settled()["counted"] == 50
        assert server.post_lines([click("ad", "2021-01-01 00:01:00").log_line()]).status == 200
    finally:
        for connection in crowd:
            connection.close()


# --- those that do something, but not what one hopes ---

EACH = 1_000
BODY_HEAD = b"POST /v1/clicks HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 100000\r\n\r\n"
SECONDS = 5


def slow_writer(server):
    connection = server.connect_raw()
    connection.sendall(BODY_HEAD)
    return connection


def slow_reader(server):
    """Asks again and again for an answer of some twenty KiB, and takes a few bytes of it at a time."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    connection.connect(("127.0.0.1", server.port_now))
    connection.sendall(b"GET /v1/ads/ad/series?from=202101010000&to=202101080000 HTTP/1.1\r\nHost: x\r\n\r\n" * 8)
    return connection


def half_open(server):
    """A body of which no more will come."""
    connection = server.connect_raw()
    connection.sendall(BODY_HEAD + b"[AdClick")
    connection.shutdown(socket.SHUT_WR)
    return connection


def vanish(server):
    """Away in the middle of a body, without a good-bye: a reset."""
    connection = server.connect_raw()
    connection.sendall(BODY_HEAD + b"[AdClick")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def resident_bytes(server):
    lines = pathlib.Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))


def trickle(writers, readers):
    """A byte to or from each of them; the sockets of those that were cut take none."""
    for connection in writers:
        try:
            connection.send(b"x", socket.MSG_DONTWAIT)
        except OSError:
            pass
    for connection in readers:
        try:
            connection.recv(1, socket.MSG_DONTWAIT)
        except OSError:
            pass


def test_slow_and_half_open_peers_cost_the_others_neither_clicks_nor_memory(new_server):
    """A connection holds at most its 256 KiB (docs/operations.md), whatever it is slow at."""
    allow_open_files(4 * EACH + 200)
    server = new_server().start("--http-connections", 4 * EACH, "--http-idle-timeout", "60s")
    assert server.post_lines([click("ad", "2021-01-01 00:00:00").log_line()]).status == 200
    server.settled()
    before, sent = resident_bytes(server), 1
    writers, readers, halves = [], [], []
    try:
        for _ in range(EACH):
            writers.append(slow_writer(server))
            readers.append(slow_reader(server))
            halves.append(half_open(server))
            vanish(server)
        for second in range(SECONDS):  # not to be right: they trickle as long as others are at work
            until = time.monotonic() + 1
            trickle(writers, readers)
            while time.monotonic() < until:
                lines = [click("ad", "2021-01-01 00:01:00", user=f"user {sent + line}").log_line() for line in range(50)]
                assert server.post_lines(lines).json == {"received": 50, "accepted": 50, "rejected": 0}
                sent += 50
            assert resident_bytes(server) - before < 3 * EACH * 256 * 1024, f"second {second}"

        def seen_to_be_gone():
            connections = [line for line in server.get("/metrics").body.decode().splitlines()
                           if line.startswith("tally_connections ")]
            return float(connections[0].split()[1]) <= 2 * EACH + 8

        wait_until(seen_to_be_gone, "those that are half open or gone hold no place")
        assert server.settled()["counted"] == sent and server.count("ad", "?from=202101010000&to=202101010002") == sent
    finally:
        for connection in writers + readers + halves:
            connection.close()
    assert server.post_lines([click("ad", "2021-01-01 00:02:00").log_line()]).status == 200
    server.stop()
