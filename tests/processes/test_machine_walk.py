"""The parent's machine under random events: whatever comes, its invariants hold."""

from __future__ import annotations

import random

import pytest

from headwaiter._parent.child import Phase
from tests.processes.machine_driver import Driver


@pytest.mark.parametrize("preload", [False, True])
@pytest.mark.parametrize("seed", range(40))
def test_a_random_walk_keeps_the_invariants(seed: int, preload: bool) -> None:
    Walk(seed, preload).run()


class Walk:
    """Random events, and after each what must hold."""

    def __init__(self, seed: int, preload: bool) -> None:
        self.random = random.Random(seed)
        self.driver = Driver(processes=self.random.randint(1, 4), slots=8, preload=preload)
        self.templates: dict[int, str] = {}
        self.told: dict[int, set[str]] = {}
        self.started = self.exited = 0

    def run(self) -> None:
        for _ in range(300):
            self.step()
        self.driver.play("TERM")
        while not self.driver.exits:
            self.check(self.driver.done())
            for slot in list(self.told):
                self.exit(slot, 0)
            for number in [n for n, state in self.templates.items() if state == "ending"]:
                self.template(number, "lose")
        assert not self.driver.machine.children
        assert self.started == self.exited

    def step(self) -> None:
        machine, driver, choice = self.driver.machine, self.driver, self.random.choice
        self.check(driver.done())
        before = len(machine.ready())
        event = choice(
            [
                *("ready", "ready", "fail", "die", "leave", "leave", "ask", "pass", "scale"),
                *("HUP", "USR2"),
                *(["load", "load", "lose"] if self.templates else []),
            ]
        )
        phase = {"ready": Phase.STARTING, "fail": Phase.STARTING, "leave": Phase.LEAVING}
        slots = [n for n, c in machine.children.items() if c.phase is phase.get(event, Phase.READY)]
        if event == "HUP":
            driver.play("HUP")
        elif event in ("load", "lose"):
            self.template(choice(list(self.templates)), event)
        elif event == "USR2":
            if machine.has_served:
                driver.play("USR2")
        elif event == "pass":
            driver.elapse(self.random.random())
        elif event == "scale":
            wanted = self.random.randint(1, 4)
            before = min(before, wanted)
            driver.play(f"scale {wanted}")
            before = min(before, len(machine.ready()))
        elif not slots:
            return
        elif event == "ready":
            driver.play(f"ready {choice(slots)}")
        elif event == "ask":
            driver.play(f"asks {choice(slots)} {choice(['SIGTERM', 'max_requests'])}")
        elif event == "fail" and not machine.has_served:
            return
        else:
            before -= event == "die" and len(machine.ready()) > 1
            if event != "die" or len(machine.ready()) > 1:
                self.exit(choice(slots), choice([1, -9]) if event != "leave" else 0)
        assert len(machine.ready()) >= before, event

    def template(self, number: int, event: str) -> None:
        """It is ready, or gone."""
        state, machine = self.templates[number], self.driver.machine
        if event == "load" and state == "loading":
            self.templates[number] = "ready"
            self.driver.play(f"ready t{number}")
        elif state == "ending" or (event == "lose" and machine.has_served):
            del self.templates[number]
            self.driver.play(f"exit t{number} {self.random.choice([1, -9])}")

    def exit(self, slot: int, status: int) -> None:
        self.exited += 1
        del self.told[slot]
        self.driver.machine.handle_exit(self.driver.now, slot, status)

    def check(self, actions: list[str]) -> None:
        for action in actions:
            verb, *rest = action.split()
            if verb in ("load", "dismiss", "kill"):
                number = int(rest[0][1:])
                assert (number in self.templates) == (verb != "load")
                self.templates[number] = "loading" if verb == "load" else "ending"
                continue
            slot = int(rest[-1]) if rest else -1
            if verb == "fork":
                assert self.templates[int(rest[0][1:])] == "ready"
                self.driver.play(f"forked {rest[0]}")
            if verb in ("start", "fork"):
                self.started += 1
                assert slot not in self.told, "a slot that is in use"
                self.told[slot] = set()
            elif verb in ("drain", "cut"):
                assert verb not in self.told[slot], "told twice"
                self.told[slot].add(verb)
        machine = self.driver.machine
        places = [place for place in machine.places if place.successor is not None]
        assert len(places) <= 1
        filled = [child for place in machine.places for child in (place.current, place.successor)]
        for child in machine.children.values():
            leaving = child.phase is Phase.LEAVING
            assert leaving or machine.stopping or child in filled, "a child without a place"
            assert not (leaving and not machine.stopping and child in filled)
        assert machine.stopping or all(
            place.current is not None or place.start_at is not None for place in machine.places
        ), "a place that nobody will fill"
        alive = [state for state in self.templates.values() if state != "ending"]
        assert machine.reloading or len(alive) <= 1, "a template that nobody needs"
