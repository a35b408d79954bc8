"""What somebody uses who ports the package in another repository: the runner without a checkout, the skeleton, the badge."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import venv
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from conformance_support import CATALOGUE, HERE, Conformance, fake
from skidbladnir_conformance.cli import main
from skidbladnir_conformance.new_driver import with_skeletons
from skidbladnir_conformance.paths import GUIDE, PROTOCOL, REPOSITORY, TEMPLATES
from skidbladnir_conformance.trace import FEATURES, LEVELS

FIRST = "circuit_breaker/failure-is-counted"


def new_driver(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["new-driver", *map(str, arguments)])


def test_skeleton_has_protocol_guide_and_files_for_ci(tmp_path: Path) -> None:
    out = tmp_path / "port"
    result = new_driver("cobol", "--out", out)
    assert result.exit_code == 0
    assert "There is no driver to begin with for cobol" in result.output
    assert (out / "test_driver.proto").read_text() == PROTOCOL.read_text()
    assert (out / "porting.md").read_text() == GUIDE.read_text()
    assert yaml.safe_load((out / "known-failures.yaml").read_text()) == []
    written = {str(out / name) for name in os.listdir(out)}
    assert written <= set(result.output.splitlines())
    assert not any("@LANGUAGE@" in file.read_text() for file in out.iterdir())


def test_skeleton_does_not_overwrite_anything(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    result = new_driver("cobol", "--out", tmp_path)
    assert (result.exit_code, result.output) == (2, f"{tmp_path} is not empty\n")
    assert os.listdir(tmp_path) == ["mine"]


@pytest.mark.parametrize("language", ["../evil", "Rust", "", "a/b", "common/x"])
def test_language_has_the_name_of_one(tmp_path: Path, language: str) -> None:
    result = new_driver("--out", tmp_path / "port", "--", language)
    assert result.exit_code == 2
    assert "is no name of a language" in result.output
    assert not (tmp_path / "port").exists()


def test_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = new_driver("cobol", "--out", tmp_path / "file" / "port")
    assert result.exit_code == 2
    assert "cannot write" in result.output
    assert "Not a directory" in result.output


def test_script_for_ci_passes_with_a_right_driver_and_writes_its_files(tmp_path: Path) -> None:
    assert new_driver("cobol", "--out", tmp_path / "port").exit_code == 0
    script = ["sh", "port/run.sh", fake("right"), "--catalogue", str(CATALOGUE)]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    ran = subprocess.run(script, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    files = {file.name for file in (tmp_path / "build").iterdir()}
    assert files == {"conformance.xml", "conformance.md", "conformance.html", "conformance.svg"}
    wrong = subprocess.run([*script[:2], fake("lies", FIRST), *script[3:]], cwd=tmp_path, env=environment, check=False)
    assert wrong.returncode == 1


@pytest.mark.parametrize(
    ("behaviour", "said"), [("right", "5 passed"), ("no-cache", "3 passed"), ("lies", "1 failed"), ("dies-at-start", "failed")]
)
def test_badge_says_the_verdict(conformance: Conformance, tmp_path: Path, behaviour: str, said: str) -> None:
    badge = tmp_path / "badge.svg"
    conformance("run", "--badge", str(badge), execs=[fake(behaviour, FIRST)])
    assert f">{said}<" in badge.read_text()


def test_guide_names_every_feature_level_and_command() -> None:
    text = GUIDE.read_text()
    assert all(f"`{feature}`" in text for feature in FEATURES)
    assert f"{len(LEVELS)}, " in text
    commands = re.findall(r"^conformance ([a-z-]+)", text, re.MULTILINE)
    assert set(commands) <= set(main.commands)
    for command in set(commands):
        options = set(re.findall(r"(?<=\s)--[a-z-]+", "\n".join(re.findall(rf"^conformance {command}((?:.*\\\n)*.*)", text, re.MULTILINE))))
        known = {option for parameter in main.commands[command].params for option in parameter.opts}
        assert options <= known, command


def test_specification_can_be_read_without_a_checkout() -> None:
    result = CliRunner().invoke(main, ["spec", "general"])
    assert result.output.startswith("# General\n")


def test_trace_can_be_read_without_a_checkout() -> None:
    result = CliRunner().invoke(main, ["show", "retry/delays-are-capped"])
    (trace,) = yaml.safe_load(result.output)
    assert trace["id"] == "retry/delays-are-capped"
    assert result.output.startswith("# ")
    assert CliRunner().invoke(main, ["show", "retry/no-such-trace"]).exit_code == 2


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command as pipx would install it: from a wheel, in an environment that knows no checkout."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    source = str(REPOSITORY / "conformance")
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), source], check=True)
    venv.create(folder / "venv")
    site = next((folder / "venv/lib").glob("python*")) / "site-packages"
    (wheel,) = folder.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--no-compile", "--target", str(site), str(wheel)], check=True)
    # Its dependencies are those of this environment; its own package is not on that path.
    dependencies = Path(yaml.__file__).parents[1]
    (site / "dependencies.pth").write_text(f"{dependencies}\n")
    return folder / "venv/bin/python"


def run_installed(python: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; from skidbladnir_conformance.cli import main; main(sys.argv[1:])"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return subprocess.run(
        [str(python), "-c", code, *arguments], cwd=python.parent, env=environment, capture_output=True, text=True, check=False
    )


def test_installed_runner_carries_the_suite(installed: Path, tmp_path: Path) -> None:
    listed = run_installed(installed, "list")
    assert listed.returncode == 0, listed.stderr
    assert len(listed.stdout.splitlines()) > 500
    made = run_installed(installed, "new-driver", "rust", "--out", str(tmp_path / "port"))
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "port/test_driver.proto").read_text() == PROTOCOL.read_text()
    skeleton = [file.relative_to(TEMPLATES / "rust") for file in (TEMPLATES / "rust").rglob("*") if file.is_file()]
    assert Path("Cargo.lock") in skeleton
    assert all((tmp_path / "port" / file).is_file() for file in skeleton)


def test_installed_runner_replays_in_a_foreign_driver(installed: Path) -> None:
    driver = shlex.join([sys.executable, str(HERE / "fake_drivers.py"), "right"])
    ran = run_installed(installed, "run", "--exec", driver, "--catalogue", str(CATALOGUE))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "fake 9.9: 5 passed" in ran.stdout


@pytest.mark.parametrize("command", ["run", "fuzz", "coverage"])
def test_installed_runner_says_that_it_has_no_drivers(installed: Path, command: str) -> None:
    ran = run_installed(installed, command)
    assert ran.returncode == 2
    assert "the driver python is in a checkout only: name another one by --exec or --connect" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_there_are_skeletons() -> None:
    assert with_skeletons() == ["rust"]
