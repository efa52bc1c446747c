"""The machine's templates: processes that have loaded the application and fork the children.

With ``preload`` a child starts only while a template is ready. Rules: a reload begins with a new
template; the earlier one stays until the reload has ended, and is in use again if it fails; in a
stop a template ends after the children, since it may own what they share.
"""

from __future__ import annotations

import logging

from headwaiter._parent.actions import DismissTemplate, KillTemplate, StartTemplate
from headwaiter._parent.child import Config, Phase, Template
from headwaiter._parent.core import ABORT_PATIENCE, PING_PATIENCE, SLOW_START, Core, ended, pause

SETTLED = 10.0
"""A process that was ready for so long has started well: a death is the first one again."""


class Templates(Core):
    def __init__(self, config: Config, now: float) -> None:
        super().__init__(config, now)
        self._last_template = -1
        self._template_deaths = 0
        """Failed starts and deaths in a row."""
        self._template_at = now
        """When the next start is due, if a template is missing."""

    def handle_template_ready(self, now: float, number: int) -> None:
        """The template has loaded the application."""
        self._pass(now)
        template = self.templates[number]
        if template.phase is Phase.STARTING:
            template.phase, template.ready_at, template.warn_at = Phase.READY, now, None
        self._settle()

    def handle_template_failed(self, now: float, number: int, text: str, status: int) -> None:
        """The template says why it cannot go on. Its exit follows."""
        self._pass(now)
        template = self.templates[number]
        template.failure, template.failed_with = text, status
        template.end_at = now + ABORT_PATIENCE

    def handle_template_lost(self, now: float, number: int) -> None:
        """The control socket has ended: the template exits, or nobody can control it."""
        self._pass(now)
        self.templates[number].end_at = now + ABORT_PATIENCE

    def handle_forked(self, now: float, number: int) -> None:
        """The template has forked a child that it was asked for, or has failed to."""
        self._pass(now)
        template = self.templates[number]
        template.asked -= 1
        template.end_at = now + PING_PATIENCE if template.asked else None

    def handle_template_exit(self, now: float, number: int, status: int) -> None:
        """The template is gone. ``status`` is negative for a signal."""
        self._pass(now)
        template = self.templates.pop(number)
        if self.stopping:
            self._exit_if_alone()
        elif template.phase is not Phase.LEAVING:
            if template.ready_at is not None and now - template.ready_at >= SETTLED:
                self._template_deaths = 0
            self._template_at = now + pause(self._template_deaths)
            self._template_deaths += 1
            self._template_died(template, template.failure or f"the template {ended(status)}")
        self._settle()

    def _template_died(self, template: Template, text: str) -> None:
        """The template was needed, and is gone."""
        raise NotImplementedError

    def _exit_if_alone(self) -> None:
        """End the parent if no process is left."""
        raise NotImplementedError

    def _settle(self) -> None:
        """Start what is due."""
        raise NotImplementedError

    def _is_template_missing(self) -> bool:
        needed = self.config.preload and not self.stopping
        return needed and not any(
            template.epoch == self.epoch and template.phase is not Phase.LEAVING
            for template in self.templates.values()
        )

    def _settle_templates(self, *, reloading: bool) -> None:
        """Start a template if one is due. End those of earlier reloads, unless a reload runs."""
        if self._is_template_missing() and self._template_at <= self.now:
            self._last_template = number = self._last_template + 1
            self.templates[number] = Template(
                number, self.now, self.epoch, warn_at=self.now + SLOW_START
            )
            self._do(StartTemplate(number))
        source = self._source()
        for template in self.templates.values():
            if template.phase is Phase.READY and template is not source and not reloading:
                self._end_template(template)

    def _renew_template(self) -> None:
        """A reload begins. A template that is starting has read what was there before."""
        self._template_at, self._template_deaths = self.now, 0
        self._end_templates(Phase.STARTING)

    def _keep_earlier_template(self) -> None:
        """A reload has failed: children come from the template of the earlier ones, if it lives."""
        ready = [each for each in self.templates.values() if each.phase is Phase.READY]
        earlier = [template for template in ready if template.epoch < self.epoch]
        for template in self.templates.values():
            if earlier and template.epoch == self.epoch and template.phase is not Phase.LEAVING:
                self._end_template(template)
        for template in earlier:
            template.epoch = self.epoch

    def _end_templates(self, phase: Phase) -> None:
        for template in self.templates.values():
            if template.phase is phase:
                self._end_template(template)

    def _end_template(self, template: Template) -> None:
        """Let it end, or kill it while it starts."""
        is_starting = template.phase is Phase.STARTING
        template.phase, template.warn_at, template.end_at = Phase.LEAVING, None, None
        if is_starting:
            self._do(KillTemplate(template.slot))
        else:
            self._do(DismissTemplate(template.slot))
            template.end_at = self.now + ABORT_PATIENCE

    def _template_time(self, template: Template) -> None:
        """Do what is due."""
        if template.warn_at is not None and template.warn_at <= self.now:
            waited = self.now - template.began
            self._log(logging.WARNING, f"the template has been starting for {waited:.0f} s")
            template.warn_at = self.now + waited
        if template.end_at is not None and template.end_at <= self.now:
            why = "end" if template.asked == 0 else f"answer for {PING_PATIENCE:.0f} s"
            self._log(logging.ERROR, f"the template does not {why}: SIGKILL")
            template.end_at = None
            self._do(KillTemplate(template.slot))

    def _template_times(self) -> list[float | None]:
        """When :meth:`_template_time` and :meth:`_settle_templates` are due."""
        times: list[float | None] = [self._template_at] if self._is_template_missing() else []
        for template in self.templates.values():
            times += [template.warn_at, template.end_at]
        return times
