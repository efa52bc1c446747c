"""Frames of JSON on the control socket of a child, without blocking.

A frame is four bytes of length, most significant first, and an object. A descriptor travels with
the first byte of its frame. Rules: what waits to be sent, and a frame that comes, are bounded; a
socket that breaks a bound, or breaks, has ended.
"""

from __future__ import annotations

import array
import json
import os
import socket
from base64 import b64decode, b64encode
from collections import deque
from typing import Any, Callable

MOST_WAITING = 1 << 20
LARGEST_FRAME = 16 << 20
READ = 65536


class Channel:
    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.socket = sock
        self.ended = False
        self._received = bytearray()
        self._waiting: deque[tuple[bytes, int]] = deque()
        self._size = 0

    def state(self, keep: Callable[[int], int]) -> dict[str, Any]:
        """The descriptor and the parts of frames, for JSON. ``keep`` is called with descriptors."""
        return {
            "socket": keep(self.socket.fileno()),
            "received": b64encode(self._received).decode(),
            "waiting": [
                [b64encode(frame).decode(), descriptor if descriptor < 0 else keep(descriptor)]
                for frame, descriptor in self._waiting
            ],
        }

    @classmethod
    def adopted(cls, state: dict[str, Any]) -> Channel:
        """The channel with this :meth:`state`."""
        channel = cls(socket.socket(fileno=state["socket"]))
        channel._received += b64decode(state["received"])
        channel._waiting.extend((b64decode(frame), number) for frame, number in state["waiting"])
        channel._size = sum(len(frame) for frame, _ in channel._waiting)
        return channel

    @property
    def wants_to_send(self) -> bool:
        return bool(self._waiting) and not self.ended

    def send(self, message: dict[str, Any], descriptor: int = -1) -> None:
        """Send a message, now or when the socket takes it. The descriptor stays the caller's."""
        data = json.dumps(message).encode()
        frame = len(data).to_bytes(4, "big") + data
        sent = 0 if self._waiting else self._send(frame, descriptor)
        if sent == len(frame) or self.ended:
            return
        try:
            kept = os.dup(descriptor) if descriptor >= 0 and not sent else -1
        except OSError:  # no descriptor is left
            self.ended = True
            return
        self._waiting.append((frame[sent:], kept))
        self._size += len(frame) - sent
        self.ended = self._size > MOST_WAITING

    def flush(self) -> None:
        """Send what the socket takes."""
        while self._waiting and not self.ended:
            frame, descriptor = self._waiting[0]
            sent = self._send(frame, descriptor)
            if not sent:
                return
            self._waiting.popleft()
            self._size -= sent
            if descriptor >= 0:
                os.close(descriptor)
            if sent < len(frame):
                self._waiting.appendleft((frame[sent:], -1))

    def _send(self, frame: bytes, descriptor: int) -> int:
        """How many bytes the socket takes."""
        rights = array.array("i", [descriptor] if descriptor >= 0 else [])
        passed = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)] if rights else []
        try:
            return 0 if self.ended else self.socket.sendmsg([frame], passed)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            self.ended = True
            return 0

    def receive(self) -> list[dict[str, Any]]:
        """The messages that have come. Afterwards ``ended`` may be set."""
        try:
            while data := self.socket.recv(READ):
                self._received += data
                if len(self._received) > LARGEST_FRAME:
                    break
            self.ended = True
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self.ended = True
        return self._messages()

    def _messages(self) -> list[dict[str, Any]]:
        messages = []
        while len(self._received) >= 4:
            end = 4 + int.from_bytes(self._received[:4], "big")
            if end > LARGEST_FRAME:
                self.ended = True
                break
            if len(self._received) < end:
                break
            try:
                message = json.loads(self._received[4:end])
            except (ValueError, RecursionError):
                message = None
            if not isinstance(message, dict):
                self.ended = True
                break
            messages.append(message)
            del self._received[:end]
        return messages

    def close(self) -> None:
        self.ended = True
        self.socket.close()
        for _, descriptor in self._waiting:
            if descriptor >= 0:
                os.close(descriptor)
        self._waiting.clear()
