"""Makes random traces, in the form of the catalogue.

Not by Hypothesis: its engine takes longer for one trace than all drivers together do for replaying it. A trace is made
from a seed and its number alone, so that it can be made again. Most traces are short: that is where most is found in a time.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from skidbladnir_conformance.trace import PATTERNS

Document = dict[str, Any]

KINDS = (*PATTERNS, "composition", "facade", "health")
"""Of subjects; each is a folder of the catalogue too."""

# Most is to be found where patterns meet.
WEIGHTS = {"composition": 5, "facade": 3, "circuit_breaker": 2}

CLAUSE_OF_KIND = {
    "circuit_breaker": "CB-18",
    "retry": "RT-1",
    "bulkhead": "BH-3",
    "timeout": "TO-1",
    "cache": "CA-1",
    "fallback": "FB-1",
    "composition": "CO-1",
    "facade": "FA-1",
    "health": "HM-2",
}
ERRORS: tuple[Any, ...] = (
    "boom",
    "bad thing",
    {"message": "busy", "http_status": 503},
    {"message": "gone", "os_code": "ECONNRESET"},
    {"message": "outer", "cause": {"message": "inner", "os_code": "ETIMEDOUT"}},
)
VALUES = ("x", "odd", None)
KEYS = ("k", "l", "m")
LONG_ENOUGH_MS = 10_000_000
# A retry draws so often for one call at most; a retry in another one more often.
DRAWS_OF_CALL = 10
RANDOM_NUMBERS = 250

T = TypeVar("T")


def make_document(seed: int, number: int, kinds: tuple[str, ...] = KINDS) -> Document:
    """Trace ``number`` of a seed: valid options over their ranges, overlapping calls, cancellations, overrides."""
    source = random.Random(f"{seed}/{number}")
    weights = [WEIGHTS.get(kind, 1) for kind in kinds]
    return _Maker(source, source.choices(kinds, weights)[0]).document(f"s{seed}-n{number}")


class _Maker:
    def __init__(self, source: random.Random, kind: str) -> None:
        self._random = source
        self._kind = kind
        self._has_circuit = False
        # Whether callers may give up, which one of the columns cannot show.
        self._cancels = source.random() < 0.5
        self._jitters = False
        self._has_cache = self._has_timeout = False
        # Instants worth hitting exactly: deadlines are reached at, not after, their time (GN-2).
        self._edges: list[int] = []
        self._calls: list[str] = []
        self._endless: list[str] = []

    def document(self, name: str) -> Document:
        subject, actions = self._subject()
        steps = self._steps(actions)
        document: Document = {
            "id": f"{self._kind}/{name}",
            "clauses": [CLAUSE_OF_KIND[self._kind]],
            "why": "found by exploration",
            "subject": subject,
            "steps": steps,
        }
        if self._jitters:
            numbers = RANDOM_NUMBERS if self._kind == "composition" else DRAWS_OF_CALL * len(self._calls)
            document["random"] = [int(self._random.random() * 1000) / 1000 for _ in range(numbers)]
        if self._maybe(0.1):
            document["listeners"] = self._random.sample(["recording", "failing", "removed", "looking"], 4)
        return document

    # ---- choices ----

    def _maybe(self, share: float = 0.5) -> bool:
        return self._random.random() < share

    def _pick(self, choices: Sequence[T]) -> T:
        """As ``Random.choice``, in a fourth of its time."""
        return choices[int(self._random.random() * len(choices))]

    def _few(self, least: int = 1) -> int:
        """A count, mostly small."""
        return least + self._pick((0, 0, 0, 1, 1, 2, 3, 7))

    def _ms(self, least: int, most: int) -> int:
        return least + int(self._random.random() * (most - least + 1))

    def _edge(self, least: int, most: int) -> int:
        self._edges.append(self._ms(least, most))
        return self._edges[-1]

    def _some(self, options: dict[str, Callable[[], Any]], share: float = 0.6) -> Document:
        return {name: make() for name, make in options.items() if self._maybe(share)}

    # ---- the subject ----

    def _subject(self) -> tuple[Document, list[Document]]:
        """The subject, and the actions that its policies take."""
        if self._kind == "facade":
            return self._facade()
        if self._kind == "health":
            return self._health()
        if self._kind != "composition":
            return {self._kind: self._options(self._kind)}, self._actions(self._kind, None)
        patterns = [self._pick(PATTERNS) for _ in range(self._pick((2, 2, 3, 3, 4)))]
        policies, actions = [], []
        for index, pattern in enumerate(patterns):
            policy: Document = {pattern: self._options(pattern)}
            name = None
            if patterns.count(pattern) > 1:
                name = policy["name"] = f"{pattern}{index}"
            policies.append(policy)
            actions += self._actions(pattern, name)
        return {"compose": policies}, actions

    def _facade(self) -> tuple[Document, list[Document]]:
        facade: Document = {}
        actions: list[Document] = []
        for pattern in ("circuit_breaker", "retry", "bulkhead", "timeout", "cache"):
            if self._maybe(0.2):
                facade[pattern] = None
            else:
                facade[pattern] = self._options(pattern)
                actions += self._actions(pattern, None)
        return {"facade": facade}, actions

    def _health(self) -> tuple[Document, list[Document]]:
        providers = ["a", "b", "c"][: self._pick((1, 1, 2, 3))]
        health: Document = {
            "providers": providers,
            "checks": {name: [self._check() for _ in range(self._pick((1, 2, 3, 5)))] for name in providers},
            **self._some(
                {
                    "check_interval_ms": lambda: self._edge(100, 3000),
                    "check_timeout_ms": lambda: self._edge(1, 2000),
                    "degraded_response_time_ms": lambda: self._edge(0, 1500),
                    "degraded_failure_rate": lambda: self._pick((0, 0.05, 0.1, 0.3, 1)),
                }
            ),
        }
        circuits = {name: self._circuit_breaker() for name in providers if self._maybe(0.4)}
        if circuits:
            health["circuits"] = circuits
        return {"health": health}, [action for name in circuits for action in self._actions("circuit_breaker", name)]

    def _check(self) -> Document:
        script = self._script(endless=False)
        if "ok" in script or self._maybe():
            script.pop("error", None)
            script["ok"] = self._pick(("true", "true", "true", "false"))
        return script

    def _options(self, pattern: str) -> Document:
        options: Document = getattr(self, f"_{pattern}")()
        return options

    def _actions(self, pattern: str, name: str | None) -> list[Document]:
        if pattern == "circuit_breaker":
            return [{"force_open": name}, {"disable": name}, {"reset": name}, {"reset": name}]
        if pattern == "cache":
            return [*({"invalidate": key} for key in KEYS[:2]), {"clear": name}, {"close": name}]
        return []

    def _circuit_breaker(self) -> Document:
        self._has_circuit = True
        options = self._some(
            {
                "half_open_success_threshold": self._few,
                "half_open_max_concurrent": self._few,
                "is_failure": self._match,
                "ignore": self._match,
            },
            0.4,
        )
        options["reset_timeout_ms"] = 0 if self._maybe(0.05) else self._edge(100, 4000)
        if self._maybe(0.3):
            most = options["reset_timeout_ms"] * self._few() + self._ms(0, 2000)
            options["reset_timeout_backoff"] = {"max_ms": most, "factor": self._pick((1, 1.5, 2, 2.7, 10))}
        window = self._window()
        if window is None or window["kind"] in ("consecutive", "cumulative"):
            options["failure_threshold"] = self._few()
        elif self._maybe(0.5):
            options["slow_call"] = {"duration_ms": self._edge(10, 1500), "rate": self._pick((0.3, 0.5, 1))}
        if window is not None:
            options["window"] = window
        return options

    def _window(self) -> Document | None:
        match self._pick((None, "consecutive", "cumulative", "count", "count", "time", "time")):
            case None:
                return None
            case "count":
                size = self._few()
                window: Document = {"kind": "count", "size": size, "minimum_calls": self._ms(1, size)}
            case "time":
                window = {
                    "kind": "time",
                    "duration_ms": self._edge(100, 5000),
                    "buckets": self._pick((1, 2, 3, 7, 10)),
                    "minimum_calls": self._few(),
                }
            case kind:
                return {"kind": kind}
        return {**window, "failure_rate": self._pick((0.01, 0.34, 0.5, 2 / 3, 1))}

    def _retry(self) -> Document:
        options = self._some(
            {
                "max_retries": lambda: self._pick((0, 1, 1, 2, 3)),
                "backoff_factor": lambda: self._pick((1, 1.5, 2, 3.3, 100)),
                "max_delay_ms": lambda: self._ms(0, 3000),
                "retry_rejections": lambda: True,
                "max_retry_after_ms": lambda: self._ms(0, 3000),
                "max_elapsed_ms": lambda: self._edge(0, 5000),
            },
            0.5,
        )
        options["initial_delay_ms"] = 0 if self._maybe(0.1) else self._edge(1, 1500)
        if self._maybe(0.4):
            options["jitter"] = self._pick(("none", "full", "equal", "decorrelated"))
            self._jitters = self._jitters or options["jitter"] != "none"
        if self._maybe(0.3):
            patterns = ("boom", "/^b/", "503", "ECONNRESET", "/E[A-Z]+UT$/", "nothing")
            options["retryable_errors"] = self._random.sample(patterns, self._ms(0, 3))
        elif self._maybe(0.2):
            options["is_retryable"] = {"errors": ["boom", "bus"]}
        return options

    def _bulkhead(self) -> Document:
        options = self._some({"max_queue_size": lambda: self._few(0)}, 0.8)
        options["max_concurrent_calls"] = self._pick((1, 1, 2, 3))
        if self._maybe(0.5):
            options["max_wait_ms"] = 0 if self._maybe(0.1) else self._edge(1, 3000)
        return options

    def _timeout(self) -> Document:
        self._has_timeout = True
        return {"timeout_ms": self._edge(50, 3000), "mode": self._pick(("cancel", "abandon"))}

    def _cache(self) -> Document:
        self._has_cache = True
        options = self._some(
            {
                "stale_while_revalidate": self._maybe,
                "stale_if_error": self._maybe,
                "max_stale_ms": lambda: self._edge(0, 3000),
                "max_entries": self._few,
            }
        )
        options["ttl_ms"] = 0 if self._maybe(0.1) else self._edge(1, 4000)
        return options

    def _fallback(self) -> Document:
        handler = self._script(endless=False)
        if isinstance(handler.get("error"), dict):
            handler["error"].pop("cause", None)  # its cause is the first error, where a language has but one for an error
        options: Document = {"handler": handler}
        if self._maybe(0.3):
            options["when"] = {"errors": ["bad", "busy"]}
        return options

    def _match(self) -> Document:
        return self._pick(({"errors": ["bad"]}, {"results": ["odd"]}, {"errors": ["boom"], "results": ["x"]}))

    # ---- the steps ----

    def _steps(self, actions: list[Document]) -> list[Document]:
        if self._kind == "health":
            return self._health_steps(actions)
        steps: list[Document] = []
        for _ in range(self._pick((1, 2, 2, 3, 3, 4, 4, 5, 6, 8, 12))):
            steps.append({"call": self._call()})
            steps += self._meanwhile()
            if actions and self._maybe(0.15):
                steps += [self._pick(actions), self._advance()]
            if self._cancels and self._maybe(0.25):
                steps += [{"cancel": self._pick(self._calls)}, self._advance()]
        for call in self._endless:
            steps += [{"cancel": call}, self._advance()]
        # The second is for what goes on when all calls have ended: refreshes, and operations that were abandoned.
        return [*steps, {"advance_ms": LONG_ENOUGH_MS}, {"advance_ms": LONG_ENOUGH_MS}]

    def _health_steps(self, actions: list[Document]) -> list[Document]:
        steps: list[Document] = []
        # Started first, it is more than a round asked for by hand; in between, both meet.
        for _ in range(self._pick((1, 2, 3, 4, 6, 9))):
            steps.append({self._pick(("check_health", "check_health", "check_health", "start", "start", "stop")): None})
            steps += self._meanwhile()
            if actions and self._maybe(0.3):
                steps += [self._pick(actions), self._advance()]
        return [*steps, {"stop": None}, {"advance_ms": LONG_ENOUGH_MS}]

    def _meanwhile(self) -> list[Document]:
        return [self._advance() for _ in range(self._pick((1, 1, 1, 2)))]

    def _advance(self) -> Document:
        if self._edges and self._maybe(0.3 if self._has_circuit else 0.15):
            return {"advance_ms": max(1, self._pick(self._edges))}
        return {"advance_ms": self._ms(1, 30) if self._maybe() else self._ms(1, 2500)}

    def _call(self) -> Document:
        name = f"c{len(self._calls)}"
        self._calls.append(name)
        endless = self._cancels and not self._has_cache
        scripts = [self._script(endless=endless) for _ in range(self._pick((1, 1, 2, 3)))]
        if any("never" in script for script in scripts):
            self._endless.append(name)
        call: Document = {"id": name, "op": scripts[0] if len(scripts) == 1 else scripts}
        if self._has_cache and self._maybe(0.9):
            call["key"] = self._pick(KEYS[: 1 if self._maybe() else 3])
        if self._kind == "facade" and self._maybe(0.3):
            call["fallback"] = self._script(endless=False)
        if self._cancels and self._maybe(0.03):
            call["cancelled"] = True
        return call

    def _script(self, *, endless: bool) -> Document:
        if endless and self._maybe(0.1):
            script: Document = {"never": True}
        else:
            script = {**self._end(), "after_ms": self._ms(1, 60) if self._maybe(0.4) else self._ms(1, 3000)}
        if self._maybe(0.3):
            if self._maybe(0.3) and "never" not in script:
                script["on_cancel"] = "ignore"
            else:
                script["on_cancel"] = {"settle_after_ms": self._ms(1, 1500), **(self._end() if self._maybe() else {})}
        return script

    def _end(self) -> Document:
        if self._maybe(0.45):
            return {"ok": self._pick(VALUES)}
        if self._maybe(0.15):
            return {"error": {"message": "slow down", "retry_after_ms": self._ms(0, 3000)}}
        return {"error": copy.deepcopy(self._pick(ERRORS))}
