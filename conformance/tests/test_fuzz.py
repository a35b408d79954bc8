from __future__ import annotations

import asyncio
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance_support import HERE, fake
from skidbladnir_conformance import test_driver_pb2 as pb
from skidbladnir_conformance.cli import main
from skidbladnir_conformance.driver import replay_all
from skidbladnir_conformance.fuzz.explore import changed_by_listening
from skidbladnir_conformance.fuzz.generate import KINDS, Document, make_document
from skidbladnir_conformance.fuzz.invariants import broken_invariants
from skidbladnir_conformance.fuzz.order import is_crowded, is_sequential
from skidbladnir_conformance.fuzz.shrink import shrink
from skidbladnir_conformance.lint import lint, makes_sense
from skidbladnir_conformance.observation import complete
from skidbladnir_conformance.paths import SPEC
from skidbladnir_conformance.process import DriverSpec
from skidbladnir_conformance.report_html.figures import read_fuzz
from skidbladnir_conformance.spec import read_spec
from skidbladnir_conformance.trace import make_trace

BREAKER = HERE / "breaking_driver.py"
LIAR = f"{sys.executable} {HERE / 'lying_driver.py'}"


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**9), number=st.integers(0, 10**6))
def test_traces_could_stand_in_the_catalogue(seed: int, number: int) -> None:
    assert makes_sense(make_document(seed, number), read_spec(SPEC))


def test_same_seed_makes_the_same_traces() -> None:
    first, again = ([make_document(5, number) for number in range(50)] for _ in range(2))
    assert first == again
    assert first != [make_document(6, number) for number in range(50)]
    assert {make_document(5, number, ("cache", "retry"))["id"].partition("/")[0] for number in range(50)} == {
        "cache",
        "retry",
    }


def test_honest_drivers_agree(tmp_path: Path) -> None:
    options = ["--seed", "3", "--traces", "150", "--out", str(tmp_path), "--driver", "python", "--driver", "python-sync"]
    result = CliRunner().invoke(main, ["fuzz", *options])
    assert result.exit_code == 0, result.output
    assert "seed 3: 150 traces" in result.output
    assert "nothing found" in result.output
    assert list(tmp_path.iterdir()) == [tmp_path / "report.json"]
    figures = read_fuzz(tmp_path / "report.json")
    assert figures is not None
    assert (figures.seed, figures.traces, figures.drivers, figures.found) == (3, 150, ["python", "python-sync"], [])
    assert 0.9 < sum(share for name, share in figures.shares if name.startswith("subject: ")) < 1.1


def test_wrong_comparison_is_found_made_small_and_can_be_replayed(tmp_path: Path) -> None:
    options = ["--seed", "1", "--traces", "300", "--kind", "circuit_breaker", "--out", str(tmp_path)]
    result = CliRunner().invoke(main, ["fuzz", *options, "--driver", "python", "--exec", LIAR])
    assert result.exit_code == 1, result.output
    assert "seen differently: python | python'" in result.output

    traces, faults = lint(tmp_path, read_spec(SPEC))
    assert faults == []
    (trace,) = traces
    figures = read_fuzz(tmp_path / "report.json")
    assert figures is not None
    assert [each["id"] for each in figures.found] == [trace.id]
    assert len(trace.message.steps) <= 3
    replay = ["run", "--catalogue", str(tmp_path), "--id", trace.id]
    assert CliRunner().invoke(main, [*replay, "--driver", "python", "--driver", "python-sync"]).exit_code == 0
    assert CliRunner().invoke(main, [*replay, "--exec", LIAR]).exit_code == 1


def test_driver_that_does_not_start(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["fuzz", "--exec", "false", "--out", str(tmp_path)])
    assert result.exit_code == 2
    assert "false" in result.output


def test_driver_that_lacks_features_replays_what_it_can(tmp_path: Path) -> None:
    options = ["--seed", "1", "--traces", "300", "--out", str(tmp_path)]
    result = CliRunner().invoke(main, ["fuzz", *options, "--driver", "python-sync"])
    assert result.exit_code == 0, result.output
    assert re.search(r"left out, for no driver has the features +│ +[1-9]", result.output)
    result = CliRunner().invoke(main, ["fuzz", *options, "--exec", fake("no-cancel"), "--kind", "retry"])
    assert result.exit_code == 2
    assert "no driver has the features for retry" in result.output


@pytest.mark.parametrize(("behaviour", "reason"), [("crashes", "crashed"), ("hangs", "hangs")])
def test_driver_that_breaks_is_a_finding(tmp_path: Path, behaviour: str, reason: str) -> None:
    out = tmp_path / "out"
    options = ["--seed", "1", "--traces", "60", "--kind", "circuit_breaker", "--out", str(out), "--timeout", "1"]
    breaker = shlex.join([sys.executable, str(BREAKER), behaviour, str(tmp_path / "times")])
    result = CliRunner().invoke(main, ["fuzz", *options, "--driver", "python", "--exec", breaker])
    assert result.exit_code == 1, result.output
    assert f"python': {reason}" in result.output
    traces, faults = lint(out, read_spec(SPEC))
    assert faults == []
    (trace,) = traces
    assert any(action.startswith("force_open") for action in trace.actions)


@pytest.mark.parametrize("broken", ["- {id: ", "[]"])
def test_broken_file_among_the_findings_is_told(tmp_path: Path, broken: str) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "broken.yaml").write_text(broken)
    options = ["--seed", "1", "--traces", "20", "--kind", "retry", "--out", str(tmp_path), "--driver", "python"]
    result = CliRunner().invoke(main, ["fuzz", *options])
    assert result.exit_code == 0, result.output
    assert "broken.yaml" in result.output
    assert (tmp_path / "cache" / "broken.yaml").read_text() == broken


def test_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = CliRunner().invoke(main, ["fuzz", "--driver", "python", "--out", str(tmp_path / "file" / "folder")])
    assert result.exit_code == 2
    assert "file" in result.output


def test_interrupted_shrinking_keeps_what_was_found(tmp_path: Path) -> None:
    times = tmp_path / "times"
    command = [sys.executable, "-m", "skidbladnir_conformance", "fuzz", "--seed", "1", "--kind", "circuit_breaker"]
    command += ["--out", str(tmp_path / "out"), "--driver", "python"]
    command += ["--exec", shlex.join([sys.executable, str(BREAKER), "crashes", str(times)])]
    # Where the tests run in the background, Ctrl-C is ignored by what they start.
    hearing = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=hearing
    ) as process:
        # Twice in each of the batches that are under way; then it is being made smaller.
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and (not times.exists() or len(times.read_text().splitlines()) < 8):
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 1, output
    assert "interrupted; --seed 1 makes the same traces again" in output
    assert len(list((tmp_path / "out").glob("circuit_breaker/*.yaml"))) == 1


def test_shrinking_keeps_what_is_asked_for() -> None:
    def cancels(document: Document) -> bool:
        return any("cancel" in step for step in document["steps"])

    async def still_cancels(smaller: Document) -> bool:
        return makes_sense(smaller, read_spec(SPEC)) and cancels(smaller)

    document = next(each for each in (make_document(2, number) for number in range(99)) if cancels(each))
    smallest = asyncio.run(shrink(document, still_cancels, 60))
    assert [next(iter(step)) for step in smallest["steps"]] == ["call", "cancel"]


# ---- invariants: each turns red on an observation that was tampered with ----

TRACES = """
- id: circuit_breaker/one
  clauses: [CB-1]
  why: opens and is probed
  subject: {circuit_breaker: {failure_threshold: 1, reset_timeout_ms: 100}}
  steps:
    - call: {id: a, op: {error: boom, after_ms: 5}}
    - advance_ms: 10
    - call: {id: b, op: {ok: x}}
    - advance_ms: 100
    - call: {id: c, op: {ok: x}}
- id: bulkhead/one
  clauses: [BH-1]
  why: one runs and two wait
  subject: {bulkhead: {max_concurrent_calls: 1, max_queue_size: 2}}
  steps:
    - call: {id: a, op: {ok: x, after_ms: 10}}
    - advance_ms: 1
    - call: {id: b, op: {ok: x, after_ms: 10}}
    - advance_ms: 1
    - call: {id: c, op: {ok: x, after_ms: 10}}
    - advance_ms: 100
- id: retry/one
  clauses: [RT-1]
  why: twice
  subject: {retry: {max_retries: 1, initial_delay_ms: 10, max_delay_ms: 20, max_retry_after_ms: 20}}
  steps:
    - call: {id: a, op: [{error: boom}, {ok: x}]}
    - advance_ms: 100
- id: cache/one
  clauses: [CA-1]
  why: two share a fetch
  subject: {cache: {max_entries: 1}}
  steps:
    - call: {id: a, key: k, op: {ok: x, after_ms: 10}}
    - advance_ms: 1
    - call: {id: b, key: k, op: {ok: x, after_ms: 10}}
    - advance_ms: 100
"""


@pytest.fixture(scope="module")
def seen() -> dict[str, tuple[Document, pb.Observation]]:
    documents: list[Document] = yaml.safe_load(TRACES)

    traces = [make_trace(Path("fuzz"), 1, document) for document in documents]
    replay = replay_all([DriverSpec.built_in("python")], traces, (), 10, lambda *_: None)
    (column,), _ = asyncio.run(replay)
    seen: dict[str, tuple[Document, pb.Observation]] = {}
    for document in documents:
        observation = column.answers[document["id"]]
        assert isinstance(observation, pb.Observation)
        complete(observation)
        seen[document["id"]] = document, observation
    return seen


def test_honest_observations_break_nothing(seen: dict[str, tuple[Document, pb.Observation]]) -> None:
    assert [list(broken_invariants(document, observation)) for document, observation in seen.values()] == [[]] * 4


def event(observation: pb.Observation, kind: str) -> Any:
    return next(each for step in observation.steps for each in step.events if each.type == kind)


def ended_twice(observation: pb.Observation) -> None:
    observation.steps[-1].calls[0].ended_ms += 1


def never_ended(observation: pb.Observation) -> None:
    observation.steps[-1].calls[0].pending.SetInParent()


def runs_on(observation: pb.Observation) -> None:
    observation.steps[-1].running = 1


def back_in_time(observation: pb.Observation) -> None:
    event(observation, "call_failed").at_ms = 0
    event(observation, "call_admitted").at_ms = 3


def generation_falls(observation: pb.Observation) -> None:
    observation.steps[-1].policies[0].circuit_breaker.generation = 0


def one_call_too_few(observation: pb.Observation) -> None:
    observation.steps[-1].policies[0].circuit_breaker.calls -= 1


def one_call_too_many(observation: pb.Observation) -> None:
    observation.steps[-1].policies[0].circuit_breaker.calls += 1


def probed_too_early(observation: pb.Observation) -> None:
    for step in observation.steps:
        for each in step.events:
            if each.to == "HALF_OPEN":
                each.at_ms = 100


def admitted_while_open(observation: pb.Observation) -> None:
    event(observation, "call_rejected").type = "call_admitted"


def too_many_run(observation: pb.Observation) -> None:
    observation.steps[2].policies[0].bulkhead.concurrent_executions = 2


def too_many_wait(observation: pb.Observation) -> None:
    observation.steps[-2].policies[0].bulkhead.queue_size = 3


def waits_beside_a_slot(observation: pb.Observation) -> None:
    observation.steps[2].policies[0].bulkhead.concurrent_executions = 0


def slot_kept(observation: pb.Observation) -> None:
    observation.steps[-1].policies[0].bulkhead.concurrent_executions = 1


def overtaken(observation: pb.Observation) -> None:
    observation.steps[-1].calls[2].starts_ms[0] = 5


def waits_too_long(observation: pb.Observation) -> None:
    event(observation, "retry_scheduled").delay_ms = 21


def retries_too_often(observation: pb.Observation) -> None:
    event(observation, "retry_scheduled").attempt = 2


def keeps_too_much(observation: pb.Observation) -> None:
    observation.steps[-1].policies[0].cache.size = 2


def fetches_twice(observation: pb.Observation) -> None:
    observation.steps[2].running = 2


@pytest.mark.parametrize(
    ("trace", "tamper", "invariant"),
    [
        ("retry/one", ended_twice, None),
        ("circuit_breaker/one", ended_twice, "a call ends once"),
        ("retry/one", never_ended, "every call ends"),
        ("retry/one", runs_on, "nothing runs after the end"),
        ("circuit_breaker/one", back_in_time, "events come in the order of time"),
        ("circuit_breaker/one", generation_falls, "generations grow"),
        ("circuit_breaker/one", one_call_too_few, "no more calls end than began"),
        ("circuit_breaker/one", one_call_too_many, "the totals add up when nothing runs"),
        ("circuit_breaker/one", probed_too_early, "OPEN lasts for the reset timeout"),
        ("circuit_breaker/one", admitted_while_open, "nothing is admitted while OPEN"),
        ("bulkhead/one", too_many_run, "no more run than may"),
        ("bulkhead/one", too_many_wait, "no more wait than may"),
        ("bulkhead/one", waits_beside_a_slot, "nobody waits beside a free slot"),
        ("bulkhead/one", slot_kept, "every slot is given back"),
        ("bulkhead/one", overtaken, "first in, first out"),
        ("retry/one", waits_too_long, "delays stay within their limits"),
        ("retry/one", retries_too_often, "no more retries than allowed"),
        ("cache/one", keeps_too_much, "no more entries than may be kept"),
        ("cache/one", fetches_twice, "one fetch for each key at once"),
    ],
)
def test_invariant_turns_red(
    seen: dict[str, tuple[Document, pb.Observation]],
    trace: str,
    tamper: Callable[[pb.Observation], None],
    invariant: str | None,
) -> None:
    document, honest = seen[trace]
    observation = pb.Observation()
    observation.CopyFrom(honest)
    tamper(observation)
    broken = list(broken_invariants(document, observation))
    assert broken == [] if invariant is None else invariant in broken


def test_order_is_fixed_where_calls_do_not_overlap(seen: dict[str, tuple[Document, pb.Observation]]) -> None:
    assert [name for name, (document, observation) in seen.items() if is_sequential(document, observation)] == [
        "circuit_breaker/one",
        "retry/one",
    ]
    assert [name for name, (document, observation) in seen.items() if is_crowded(document, observation)] == []
    document, observation = seen["cache/one"]  # two go on together when the fetch ends
    around: Document = {"compose": [{"retry": {}}, document["subject"]]}
    assert is_crowded({**document, "subject": around}, observation)


@pytest.mark.parametrize(("delay", "crowded"), [(0, True), (1, False)])
def test_next_attempt_at_once_meets_the_abandoned_one(delay: int, crowded: bool) -> None:
    subject: Document = {"compose": [{"retry": {}}, {"timeout": {"mode": "abandon"}}, {"bulkhead": {}}]}
    events = [pb.Event(type="call_abandoned", at_ms=1), pb.Event(type="retry_scheduled", at_ms=1, delay_ms=delay)]
    assert is_crowded({"subject": subject}, pb.Observation(steps=[pb.StepObservation(events=events)])) is crowded


@pytest.mark.parametrize(("cache", "crowded"), [({}, True), ({"cache": {}}, True), ({"cache": None}, False)])
def test_abandoned_retry_ends_beside_who_takes_over(cache: Document, crowded: bool) -> None:
    subject: Document = {"facade": {"timeout": {"mode": "abandon"}, **cache}}
    seen = pb.Observation(steps=[pb.StepObservation(events=[pb.Event(type="call_abandoned", at_ms=1)])])
    assert is_crowded({"subject": subject}, seen) is crowded


def test_kinds_are_folders_of_the_catalogue() -> None:
    assert {make_document(1, number)["id"].partition("/")[0] for number in range(300)} == set(KINDS)


@pytest.mark.parametrize(("running", "reason"), [(1, None), (2, "go: seen differently when nobody listens")])
def test_nothing_but_the_events_may_change_when_nobody_listens(running: int, reason: str | None) -> None:
    heard = pb.Observation(steps=[pb.StepObservation(running=1, events=[pb.Event(type="cache_miss")])], tied_ms=[7])
    unheard = pb.Observation(steps=[pb.StepObservation(running=running)])
    assert changed_by_listening({"python": None, "go": heard}, {"python": None, "go": unheard}) == reason
