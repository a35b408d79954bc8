"""What the documents show, run as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from skidbladnir.providers import parse_providers

ROOT = Path(__file__).parents[2]


def blocks(document: str, language: str) -> list[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / document).read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert found
    return found


def run(script: Path) -> str:
    ended = subprocess.run([sys.executable, "-X", "dev", script], capture_output=True, text=True, timeout=60, check=False)
    # The development mode of asyncio also complains of a busy machine.
    complaints = re.sub(r"^Executing .* took [0-9.]+ seconds\n", "", ended.stderr, flags=re.MULTILINE)
    assert (ended.returncode, complaints) == (0, "")
    return ended.stdout


def test_quickstart_of_the_readme(tmp_path: Path) -> None:
    outputs = []
    for number, block in enumerate(blocks("README.md", "python")):
        script = tmp_path / f"block{number}.py"
        script.write_text(block, "utf-8")
        outputs.append(run(script).splitlines())
    quickstart, files = outputs
    assert [line for line in quickstart if not re.fullmatch("(call|cache)_[a-z_]+|retry_scheduled", line)] == ["Ada", "Ada", "ADA"]
    assert "retry_scheduled" in quickstart
    assert files == ["CLOSED None"]


@pytest.mark.parametrize("document", ["conformance/spec/providers.md"])
def test_provider_files_of_the_documents(document: str) -> None:
    for block in blocks(document, "yaml"):
        parse_providers(block)


def test_outage_is_lived_through() -> None:
    """On real connections: resets and 503s match the preset's patterns as httpx reports them."""
    output = run(ROOT / "python" / "examples" / "outage.py")
    for expected in (
        r"retry_scheduled attempt=2 delay=0\.02 HTTPStatusError: Server error '503 Service Unavailable'",
        r"retry_scheduled attempt=1 delay=0\.01 (ReadError|RemoteProtocolError):",
        r"timed_out timeout=0\.3",
        r"circuit_state_changed from_state=CLOSED to_state=OPEN reason=failure_threshold",
        r"call_rejected .*\n.*fallback_used .*CircuitOpenError: Circuit breaker is open: zephyr, retry after",
        r"cache_hit key=front page",
        r" 1 circuit_state_changed to CLOSED",
        r"The circuit is CLOSED\.$",
    ):
        assert re.search(expected, output.strip()), expected
