"""The sockets that the parent holds for its children.

All children share the sockets. With ``reuse_port`` each place has sockets of its own, which its
children take over from one another: what is in their backlog waits for the next child of the place.
Those of a further place get no connections until its first child has loaded the application.
``start.py`` makes a :class:`Listening`, ``children.py`` passes the sockets on.
"""

from __future__ import annotations

import os
from typing import Any

from headwaiter import _headwaiter
from headwaiter._settings.adjustments import Adjustments


class Listening:
    """``first`` are the sockets of the first place, or of all places. ``adopted`` is the
    :meth:`state` of a server that goes on."""

    def __init__(
        self,
        first: _headwaiter.Listeners,
        adjustments: Adjustments,
        adopted: dict[str, Any] | None = None,
    ) -> None:
        self.first = first
        self._adjustments = adjustments
        self._others: list[_headwaiter.Listeners] = []
        """The sockets of the further places, with ``reuse_port``."""
        self._addresses: list[tuple[Any, ...]] = []
        if adopted is not None:  # the settings may have changed
            self._adopt(adopted)
        elif adjustments.reuse_port:  # port 0 has become one that the system chose
            pairs = zip(adjustments.listeners(), first.listening)
            self._addresses = [(*asked[:2], bound[2], *asked[3:]) for asked, bound in pairs]

    def state(self) -> dict[str, Any]:
        """The descriptors, for JSON."""
        return {
            "listeners": self.first.filenos(),
            "others": [listeners.filenos() for listeners in self._others],
            "addresses": self._addresses,
        }

    def _adopt(self, state: dict[str, Any]) -> None:
        """Go on with the sockets of this state, the first of which are here already."""
        self._addresses = [tuple(address) for address in state.get("addresses", [])]
        for descriptors in state.get("others", []):
            self._others.append(self._bind([("fd", number) for number in descriptors]))
            for number in descriptors:
                os.close(number)  # the extension has duplicates

    def of_place(self, number: int) -> list[int]:
        """The descriptors for a child of this place.

        Raises:
            OSError: A socket for the place cannot be bound.
        """
        if not number or not self._addresses:
            return self.first.filenos()
        while len(self._others) < number:
            self._others.append(self._bind(self._addresses))
        return self._others[number - 1].filenos()

    def filenos(self) -> list[int]:
        """The descriptors for all places."""
        every = [self.first, *self._others]
        return [number for listeners in every for number in listeners.filenos()]

    def keep(self, places: int) -> None:
        """Close the sockets of the places beyond this number."""
        while len(self._others) >= max(places, 1):
            self._others.pop().close()

    def close(self) -> None:
        """Close all sockets."""
        self.keep(0)
        self.first.close()
        for sock in self._adjustments.sockets:  # the extension has duplicates
            sock.close()

    def _bind(self, addresses: list[tuple[Any, ...]]) -> _headwaiter.Listeners:
        return _headwaiter.Listeners(
            addresses,
            [],
            backlog=self._adjustments.backlog,
            unix_socket_perms=self._adjustments.unix_socket_perms,
            reuse_port=True,
            listens=False,
        )
