"""Frames on a control socket: cut anywhere, full, broken, and with descriptors."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator

import pytest

from headwaiter._parent import channel
from headwaiter._parent.channel import Channel


@pytest.fixture
def ends() -> Iterator[tuple[Channel, socket.socket]]:
    own, other = socket.socketpair()
    with own, other:
        yield Channel(own), other


def frame(message: object) -> bytes:
    data = json.dumps(message).encode()
    return len(data).to_bytes(4, "big") + data


def test_frames_cut_at_every_byte(ends: tuple[Channel, socket.socket]) -> None:
    own, other = ends
    sent = [{"did": "pong", "n": 7}, {"did": "asks", "why": "SIGTERM"}]
    got = []
    for byte in b"".join(map(frame, sent)):
        other.sendall(bytes([byte]))
        got += own.receive()
    assert got == sent
    assert not own.ended
    other.close()
    assert own.receive() == []
    assert own.ended


@pytest.mark.parametrize("data", [b"\xff\xff\xff\xff", b"\0\0\0\x02{]"])
def test_a_broken_frame_ends_it(ends: tuple[Channel, socket.socket], data: bytes) -> None:
    own, other = ends
    other.sendall(data)
    assert own.receive() == []
    assert own.ended


def test_a_child_that_does_not_read(
    ends: tuple[Channel, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "MOST_WAITING", 1 << 16)
    own, _other = ends
    sent = 0
    while not own.ended:
        own.send({"do": "ping", "n": sent})
        sent += 1
        assert sent < 100_000
    assert not own.wants_to_send


def test_what_waits_is_sent_later_in_order(ends: tuple[Channel, socket.socket]) -> None:
    own, other = ends
    numbers = 0
    while not own.wants_to_send:
        own.send({"n": numbers})
        numbers += 1
    received = bytearray()
    while own.wants_to_send:
        received += other.recv(1 << 20)
        own.flush()
    other.setblocking(False)
    received += other.recv(1 << 20)
    assert received == b"".join(frame({"n": number}) for number in range(numbers))


def test_a_descriptor_travels_with_its_frame(ends: tuple[Channel, socket.socket]) -> None:
    own, other = ends
    reader, writer = os.pipe()
    own.send({"do": "sibling", "slot": 3}, writer)
    os.close(writer)
    data, descriptors, _, _ = socket.recv_fds(other, 4096, 4)
    assert data == frame({"do": "sibling", "slot": 3})
    assert len(descriptors) == 1
    os.write(descriptors[0], b"x")
    os.close(descriptors[0])
    assert os.read(reader, 2) == b"x"
    os.close(reader)


def test_what_has_come_and_what_waits_outlive_the_program(
    ends: tuple[Channel, socket.socket],
) -> None:
    own, other = ends
    other.sendall(frame({"did": "pong", "n": 7})[:9])
    assert own.receive() == []
    numbers = 0
    while not own.wants_to_send:
        own.send({"n": numbers})
        numbers += 1
    reader, writer = os.pipe()
    own.send({"do": "sibling", "slot": 3}, writer)
    os.close(writer)
    kept: list[int] = []

    def keep(descriptor: int) -> int:
        kept.append(os.dup(descriptor))  # as an exec keeps it
        return kept[-1]

    state = json.loads(json.dumps(own.state(keep)))
    assert len(kept) == 2
    new = Channel.adopted(state)
    other.sendall(frame({"did": "pong", "n": 7})[9:])
    assert new.receive() == [{"did": "pong", "n": 7}]
    received, descriptors = bytearray(), []
    while new.wants_to_send:
        data, found, _, _ = socket.recv_fds(other, 1 << 20, 4)
        received += data
        descriptors += found
        new.flush()
    other.setblocking(False)
    data, found, _, _ = socket.recv_fds(other, 1 << 20, 4)
    received += data
    descriptors += found
    expected = [{"n": number} for number in range(numbers)]
    assert received == b"".join(map(frame, [*expected, {"do": "sibling", "slot": 3}]))
    own.close()  # it has a descriptor of the pipe, too
    for descriptor in descriptors:
        os.write(descriptor, b"x")
        os.close(descriptor)
    assert os.read(reader, 2) == b"x"
    os.close(reader)
    new.close()
