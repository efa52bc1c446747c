"""Sockets of their own for each process, at one port."""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.processes.test_serving import loaded, ready_pids, start, who
from tests.support import procfs
from tests.support.http import Client, render
from tests.support.process import ServerProcess, start_server
from tests.support.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
LOADED = "tests.processes.loaded:application"
MANY = 32
"""So many connections that every process gets some."""


def listening(server: ServerProcess, pid: int) -> set[str]:
    """The sockets of the process that listen on the server's port."""
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table][1:]
    port = f":{server.address[1]:04X}"
    inodes = {row[9] for row in rows if row[1].endswith(port) and row[3] == "0A"}
    return {f"socket:[{inode}]" for inode in inodes} & set(procfs.descriptors(pid))


def own(server: ServerProcess) -> list[set[str]]:
    """The sockets of each process that is there, in the order of their ids."""
    pids = sorted(procfs.children(server.pid))
    return [listening(server, pid) for pid in pids]


def test_each_process_has_a_socket_which_its_successor_takes_over() -> None:
    with start(LOADED, reuse_port=True) as server:
        assert server.log.count("Serving on") == 1
        first, second = own(server)
        assert (len(first), len(second)) == (1, 1)
        assert first != second
        before = ready_pids(server, 2)
        with loaded(server):
            server.signal(signal.SIGHUP)
            server.wait_for_log("every process is new")
            server.signal(signal.SIGUSR2)
            server.wait_for_log(r"(?s)every process is new.*every process is new")
        assert sorted(own(server), key=str) == sorted([first, second], key=str)
        assert not set(before) & set(procfs.children(server.pid))
        server.stop()


def test_more_processes_and_fewer() -> None:
    with start(reuse_port=True) as server:
        server.signal(signal.SIGTTIN)
        ready_pids(server, 3)
        assert len(set.union(*own(server))) == 3
        for exited in (r"exited with status 0", r"(?s)exited with status 0.*exited with status 0"):
            server.signal(signal.SIGTTOU)
            server.wait_for_log(exited)
        assert len(listening(server, server.pid)) == 1
        for _ in range(MANY):
            who(server)
        server.stop()


def waiting(server: ServerProcess, pids: list[int], stack: ExitStack) -> list[Client]:
    """Requests in the backlogs of the processes, which stand still."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    eventually(lambda: all(map(procfs.is_stopped, pids)), "processes that stand still")
    clients = [stack.enter_context(server.connect()) for _ in range(MANY)]
    for client in clients:
        client.send(render("/"))
    return clients


def test_what_waits_for_processes_that_die_is_served_by_the_next_ones() -> None:
    with start(reuse_port=True) as server, ExitStack() as stack:
        dead = ready_pids(server, 2)
        clients = waiting(server, dead, stack)
        for pid in dead:
            os.kill(pid, signal.SIGKILL)
        for client in clients:
            assert json.loads(client.reply().body)["pid"] not in dead
        server.stop()


def test_a_process_that_leaves_accepts_what_waits_for_it() -> None:
    with start(reuse_port=True) as server, ExitStack() as stack:
        pids = ready_pids(server, 2)
        clients = waiting(server, pids, stack)
        server.signal(signal.SIGTTOU)
        eventually(lambda: len(listening(server, server.pid)) == 1, "one place")
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        for client in clients:
            assert client.reply().status == 200
        server.stop()


def test_a_process_that_has_never_loaded_the_application_gets_no_connections() -> None:
    with start_server("tests.processes.first:application", processes=2, reuse_port=True) as server:
        server.wait_for_log("not the first process")
        for _ in range(MANY):
            assert who(server)["slot"] == "0"
        server.stop()


def test_an_upgrade_keeps_the_addresses_whatever_the_settings_say_now(tmp_path: Path) -> None:
    config = tmp_path / "site.toml"
    config.write_text(f"unix_socket = '{tmp_path / 'socket'}'\n", encoding="utf-8")
    with start_server(config=config, processes=2, listen=[]) as server:
        ready_pids(server, 2)
        config.write_text("listen = '127.0.0.1:0'\nreuse_port = true\n", encoding="utf-8")
        server.signal(signal.SIGUSR2)
        server.wait_for_log("reload: listen, unix_socket, reuse_port changed")
        server.wait_for_log("every process is new")
        server.stop()


def test_two_servers_share_a_port() -> None:
    with start_server(reuse_port=True) as one:
        address = f"127.0.0.1:{one.address[1]}"
        with start_server(listen=address, reuse_port=True) as other:
            sockets = [listening(one, server.pid) for server in (one, other)]
            assert [len(each) for each in sockets] == [1, 1]
            assert sockets[0] != sockets[1]
            other.stop()
        assert one.ask("/").body == b"hello"
