"""The user and the group that the server runs as: found by name, taken for good.

``_alone.py`` and ``_parent/start.py`` go this way as root: they bind, make the files that only root
may make, and :func:`become` the user. Only then is anything of the application read. Rules: nothing
is written as root where another user could put a link in its place; the process can never become
root again; supplementary groups are those of the user, and none of root's.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable
from typing import NamedTuple

HIGHEST = 2**32 - 2
"""One more means "no change" to the system."""


class IdentityError(RuntimeError):
    """This process cannot become the user; the message says why."""


class Identity(NamedTuple):
    """A user, as the system knows it. ``name`` is its name, or its number if it has none."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    name: str
    home: str

    def is_current(self) -> bool:
        """Whether this process is that user's already, as under ``User=`` of systemd."""
        users = {os.getuid(), os.geteuid(), self.uid}
        return len(users) == 1 and {os.getgid(), os.getegid()} == {self.gid}


def find(user: str | None, group: str | None) -> Identity | None:
    """The identity behind names or numbers; ``None`` if neither is given.

    Raises:
        ValueError: The system does not know one of them.
    """
    if user is None and group is None:
        return None
    if sys.platform == "win32":
        raise ValueError("user and group: not on Windows; run the service as another account")
    uid, gid, name, home = _user(user)
    if group is not None:
        gid = _group(group)
    if gid is None:
        raise ValueError(f"user: {user} is in no user database, so its group is unknown: set group")
    for number in (uid, gid):
        if number > HIGHEST:
            raise ValueError(f"user and group: {number} is too high for a number of theirs")
    groups = os.getgrouplist(name, gid) if name and user is not None else [gid]
    return Identity(uid, gid, tuple(groups), name or str(uid), home)


def check_rights(identity: Identity) -> None:
    """Check that this process may become the user.

    Raises:
        IdentityError: It is not root's.
    """
    if sys.platform != "win32" and not identity.is_current() and os.geteuid() != 0:
        raise IdentityError(
            f"user: only root can become {identity.name!r}, and this process runs as"
            f" {_current_name()!r}: start it as root, or as that user without user and group"
        )


def become(identity: Identity) -> None:
    """Give the rights of root up, in every thread and for good.

    ``HOME``, ``USER`` and ``LOGNAME`` follow. Does nothing if the process is that user's already.

    Raises:
        IdentityError: The system refuses.
    """
    if sys.platform == "win32" or identity.is_current():
        return
    was_root = identity.uid != 0
    try:
        os.setgroups(identity.groups)
        os.setgid(identity.gid)
        os.setuid(identity.uid)  # of root's process it sets the saved user, too
    except OSError as error:
        raise IdentityError(
            f"user: cannot become {identity.name!r}: {error.strerror}"
            " (a container needs the capabilities SETUID and SETGID for it)"
        ) from None
    if was_root and _can_become_root():
        raise IdentityError(f"user: the system would let {identity.name!r} become root again")
    os.environ.update(HOME=identity.home, USER=identity.name, LOGNAME=identity.name)


def give(path: str, identity: Identity) -> None:
    """Make the user the owner of a Unix socket that this process has just made.

    Whoever may write in the directory could put something else in its place meanwhile, so only a
    socket is given, and the one that was looked at.

    Raises:
        OSError: There is no such file any more, or the system refuses.
    """
    if not hasattr(os, "O_PATH"):  # not Linux
        if stat.S_ISSOCK(os.lstat(path).st_mode):
            os.lchown(path, identity.uid, identity.gid)
        return
    found = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if stat.S_ISSOCK(os.fstat(found).st_mode):
            os.chown(f"/proc/self/fd/{found}", identity.uid, identity.gid)
    finally:
        os.close(found)


def can_make(path: str) -> bool:
    """Whether root may make a file here for another user: nobody but root can change the way to
    it, and there is no link on it."""
    folder = os.path.dirname(os.path.abspath(path))
    if os.path.realpath(folder) != folder:
        return False
    for each in (folder, *_above(folder)):
        try:
            status = os.stat(each)
        except OSError:
            return False
        # What root has in a sticky directory, such as /tmp, stays there.
        is_open = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        if status.st_uid != 0 or (is_open and not status.st_mode & stat.S_ISVTX):
            return False
    return True


def is_of_root(path: str) -> bool:
    """Whether nobody but root can change the file ``path``, or put another one in its place."""
    for start in (os.path.abspath(path), os.path.realpath(path)):
        for each in (start, *_above(start)):
            try:
                status = os.stat(each)
            except OSError:
                return False
            is_open = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
            is_sticky = each != start and status.st_mode & stat.S_ISVTX
            if status.st_uid != 0 or (is_open and not is_sticky):
                return False
    return True


def make(path: str, identity: Identity) -> None:
    """Make an empty file of the user's, unless there is one, or :func:`can_make` says no.

    Raises:
        OSError: The file cannot be made.
    """
    if os.path.lexists(path) or not can_make(path):
        return
    made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o640)
    try:
        os.fchown(made, identity.uid, identity.gid)
    finally:
        os.close(made)


def check(identity: Identity, needed: Iterable[tuple[str, str]]) -> None:
    """Check that this process, which has become the user, may read what it needs: paths, each with
    what it is and what to do.

    Raises:
        IdentityError: It may not read one of them.
    """
    for path, what in needed:
        is_folder = os.path.isdir(path)
        if os.access(path, os.R_OK | (os.X_OK if is_folder else 0)):
            continue
        way = [*_above(path), *_above(os.path.realpath(path))]  # a link may lead elsewhere
        closed = next((each for each in way if not os.access(each, os.X_OK)), path)
        where = "" if closed == path else f", since it may not enter {closed}"
        raise IdentityError(f"user: {identity.name!r} may not read {path}, {what}{where}")


def _above(path: str) -> list[str]:
    """The directories on the way to ``path``, from the root on."""
    found = []
    folder = os.path.dirname(os.path.abspath(path))
    while folder not in found:
        found.append(folder)
        folder = os.path.dirname(folder)
    return found[::-1]


def _user(user: str | None) -> tuple[int, int | None, str, str]:
    """Number, group, name and home. An unknown number has the home ``/``, as with systemd."""
    import pwd

    if user is None:
        return os.geteuid(), os.getegid(), _current_name(), os.environ.get("HOME", "/")
    try:
        entry = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
    except KeyError:
        if user.isdigit():
            return int(user), None, "", "/"
        raise ValueError(f"user: there is no user {user!r} on this system") from None
    return entry.pw_uid, entry.pw_gid, entry.pw_name, entry.pw_dir


def _group(group: str) -> int:
    import grp

    if group.isdigit():
        return int(group)
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise ValueError(f"group: there is no group {group!r} on this system") from None


def _current_name() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _can_become_root() -> bool:
    try:
        os.setuid(0)
    except OSError:
        return False
    return True
