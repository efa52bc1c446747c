"""The part of the parent's loop that deals with templates and orphans.

The parent is a subreaper, so a child that a template forks is a child of the parent, whatever
becomes of the template. The template says its process ID when that is so.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import signal
import sys
import time
from typing import Any

from headwaiter import _headwaiter
from headwaiter._parent.children import ChildProcess, Children
from headwaiter._parent.machine import Machine
from headwaiter._parent.template import TemplateProcess
from headwaiter._process import logs
from headwaiter._process.exits import NOT_STARTED


class Forking:
    """The attributes are those of ``Parent``."""

    machine: Machine
    children: Children
    _selector: selectors.BaseSelector

    def _bury(self, child: ChildProcess, code: int) -> None:
        raise NotImplementedError

    def _start_template(self, number: int) -> None:
        if sys.platform == "linux":
            _headwaiter.adopt_orphans()
        try:
            template = self.children.start_template(number)
        except OSError as error:
            now, text = time.monotonic(), f"cannot start a process: {error}"
            self.machine.handle_template_failed(now, number, text, NOT_STARTED)
            self.machine.handle_template_exit(now, number, NOT_STARTED)
            return
        self._watch_template(template)

    def _watch_template(self, template: TemplateProcess) -> None:
        self._selector.register(
            template.channel.socket,
            selectors.EVENT_READ,
            lambda events: self._read_template(template, events),
        )

    def _end_template(self, number: int, *, at_once: bool) -> None:
        template = self.children.templates.get(number)
        if template is not None and at_once:
            template.popen.send_signal(signal.SIGKILL)
        elif template is not None:
            template.dismiss()

    def _read_template(self, template: TemplateProcess, events: int) -> None:
        if template.is_lost:
            return
        if events & selectors.EVENT_WRITE:
            template.channel.flush()
        if events & selectors.EVENT_READ:
            for message in template.channel.receive():
                try:
                    self._template_says(template, message)
                except (KeyError, TypeError, ValueError):  # not from us
                    template.channel.ended = True
        if template.channel.ended:
            template.is_lost = True
            self._selector.unregister(template.channel.socket)
            self.machine.handle_template_lost(time.monotonic(), template.number)

    def _template_says(self, template: TemplateProcess, message: dict[str, Any]) -> None:
        now, number, did = time.monotonic(), template.number, message.get("did")
        if did == "ready":
            logs.post(logging.INFO, f"the template (pid {template.popen.pid}) is ready")
            self.machine.handle_template_ready(now, number)
        elif did == "failed":
            text, status = str(message["text"]), int(message["status"])
            self.machine.handle_template_failed(now, number, text, status)
        elif did == "forked":
            self.machine.handle_forked(now, number)
            child = self.children.by_slot[message["slot"]]
            child.popen.pid = int(message["pid"])
            if not child.popen.pid:
                self._fail_child(child, str(message["text"]))
            elif (code := child.popen.poll()) is not None:  # its SIGCHLD has come before
                self._bury(child, code)

    def _fail_child(self, child: ChildProcess, text: str) -> None:
        self.machine.handle_failed(time.monotonic(), child.slot, text, NOT_STARTED)
        self._bury(child, NOT_STARTED)

    def _reap_templates(self) -> None:
        for template in list(self.children.templates.values()):
            code = template.popen.poll()
            if code is None:
                continue
            self._read_template(template, selectors.EVENT_READ)  # its last words
            if not template.is_lost:
                self._selector.unregister(template.channel.socket)
            self.children.bury_template(template)
            self.machine.handle_template_exit(time.monotonic(), template.number, code)
            for child in list(self.children.by_slot.values()):
                if child.template == template.number and not child.popen.pid:
                    self._fail_child(child, "the template died before it forked the process")

    def _reap_orphans(self, own: set[int]) -> None:
        """Process 1 and a subreaper inherit every orphan, and have to wait for it."""
        if sys.platform != "linux":
            return  # only there is the parent one of them
        own = own | {child.popen.pid for child in self.children.by_slot.values()}
        own |= {template.popen.pid for template in self.children.templates.values()}
        with contextlib.suppress(ChildProcessError):
            while 0 not in own:  # else the orphan may be a child whose process ID is on its way
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                if found is None or found.si_pid in own:
                    return
                os.waitpid(found.si_pid, 0)
