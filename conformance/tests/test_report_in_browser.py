"""The report in a real browser: Chromium, without a window and without a network.

Where there is no Chromium, these tests are skipped; with BROWSER_TESTS=required they fail instead.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from conformance_support import HERE
from skidbladnir_conformance.cli import main

PATIENCE = 60.0
WIDE, PHONE = (1280, 900), (390, 844)
LYING = shlex.join([sys.executable, str(HERE / "lying_driver.py")])
FAILING = "circuit_breaker/threshold-of-one-opens-at-once"
ALIKE = "health/failing-check-is-down"
LONG = "circuit_breaker/late-failure-does-not-lengthen-open"
AXE = HERE / "browser" / "node_modules" / "axe-core" / "axe.min.js"
SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")

if CHROMIUM is None or DRIVER is None:
    if os.environ.get("BROWSER_TESTS") == "required":
        pytest.fail("no Chromium on this machine, and BROWSER_TESTS=required", pytrace=False)
    pytest.skip("no Chromium on this machine", allow_module_level=True)

pytestmark = pytest.mark.timeout(300)

from selenium import webdriver  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.remote.webelement import WebElement  # noqa: E402


def written(folder: Path, *arguments: str) -> Path:
    """The report of a run."""
    file = folder / "report.html"
    result = CliRunner().invoke(main, ["run", "--driver", "python", "--html", str(file), *arguments])
    assert file.exists(), result.output
    return file


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a driver that is right and one with a bug, on some traces."""
    ids = (LONG, FAILING, ALIKE, "circuit_breaker/*default*")
    return written(tmp_path_factory.mktemp("some"), "--exec", LYING, *(part for each in ids for part in ("--id", each)))


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for switch in (*SWITCHES, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
    browser.set_script_timeout(PATIENCE)
    yield browser
    browser.quit()


@pytest.fixture
def browser(chromium: webdriver.Chrome, page: Path) -> Iterator[webdriver.Chrome]:
    """The page as freshly opened at 1280 px in light colours; it must not have complained when the test is over."""
    look(chromium, WIDE, "light")
    chromium.get("about:blank")
    log(chromium, "browser")
    log(chromium, "performance")
    chromium.get(page.as_uri())
    yield chromium
    assert log(chromium, "browser") == []


def look(browser: webdriver.Chrome, size: tuple[int, int], scheme: str) -> None:
    """Emulates a screen, and what its owner prefers."""
    metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})


def log(browser: Any, kind: str) -> list[dict[str, Any]]:
    """What a log has got since it was last asked for."""
    entries: list[dict[str, Any]] = browser.get_log(kind)
    return entries


def open_trace(browser: webdriver.Chrome, name: str) -> WebElement:
    """Opens a trace by its link, as the list of failures does."""
    browser.execute_script("location.hash = arguments[0]", name)
    entry = browser.find_element(By.ID, name)
    wait_for(browser, "return document.getElementById(arguments[0]).querySelector('.timeline svg') !== null", name)
    return entry


def click(browser: webdriver.Chrome, element: WebElement) -> None:
    """As a person does, who does not click what lies under the header."""
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    element.click()


def wait_for(browser: webdriver.Chrome, script: str, *arguments: Any) -> None:
    from selenium.webdriver.support.wait import WebDriverWait

    WebDriverWait(browser, PATIENCE).until(lambda _: browser.execute_script(script, *arguments))


def press(browser: webdriver.Chrome, *keys: str) -> None:
    webdriver.ActionChains(browser).send_keys(*keys).perform()


def focused(browser: webdriver.Chrome) -> WebElement:
    return browser.switch_to.active_element


def luminance(colour: str) -> float:
    channels = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Of two colours, by WCAG 2."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_page_asks_nobody_for_anything(browser: webdriver.Chrome, page: Path) -> None:
    open_trace(browser, LONG)
    asked = [entry["message"] for entry in log(browser, "performance") if '"Network.requestWillBeSent"' in entry["message"]]
    urls = {url for message in asked for url in re.findall(r'"request":\{[^{}]*"url":"([^"]*)"', message.replace('"headers":{},', ""))}
    assert {url for url in urls if not url.startswith(("data:", page.as_uri()))} == set()
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0


def test_trace_is_drawn_when_it_is_opened_and_not_before(browser: webdriver.Chrome) -> None:
    assert browser.find_elements(By.CSS_SELECTOR, ".timeline") == []
    entry = open_trace(browser, LONG)
    honest = entry.find_elements(By.CSS_SELECTOR, ".lane")[0]
    assert [state.text for state in honest.find_elements(By.CSS_SELECTOR, ".band text")] == ["CLOSED", "OPEN", "HALF_OPEN", "CLOSED"]
    bars = {text.text for text in honest.find_elements(By.CSS_SELECTOR, ".call text")}
    assert bars == {"operation", "ok x"}
    assert len(honest.find_elements(By.CSS_SELECTOR, ".attempt")) == 3
    assert [text.text for text in entry.find_elements(By.CSS_SELECTOR, ".axis .instant")] == ["0 ms", "700 ms", "1 s"]


def test_lanes_share_one_axis(browser: webdriver.Chrome) -> None:
    entry = open_trace(browser, LONG)
    lefts = [
        [round(bar.rect["x"]) for bar in lane.find_elements(By.CSS_SELECTOR, ".call .whole")]
        for lane in entry.find_elements(By.CSS_SELECTOR, ".lane")
    ]
    assert len(lefts) == 2
    assert lefts[0][:2] == lefts[1][:2]


def test_difference_is_marked_with_a_sign_and_said(browser: webdriver.Chrome) -> None:
    entry = open_trace(browser, FAILING)
    honest, lying = entry.find_elements(By.CSS_SELECTOR, ".lane")
    assert honest.find_elements(By.CSS_SELECTOR, ".difference, .gutter .wrong") == []
    assert len(lying.find_elements(By.CSS_SELECTOR, ".difference")) == 1
    assert "≠ circuit_breaker" in [name.get_attribute("textContent") for name in lying.find_elements(By.CSS_SELECTOR, ".gutter .wrong")]
    assert "≠ CLOSED" in [cell.text for cell in entry.find_elements(By.CSS_SELECTOR, ".saw.wrong")]
    assert "expected OPEN, saw CLOSED" in entry.find_element(By.CSS_SELECTOR, ".reasons").text


def test_languages_can_be_shown_apart(browser: webdriver.Chrome) -> None:
    entry = open_trace(browser, ALIKE)
    assert len(entry.find_elements(By.CSS_SELECTOR, ".lane")) == 1
    button = entry.find_element(By.XPATH, ".//button[text()='Show languages apart']")
    button.click()
    assert [lane.text.partition("\n")[0].split()[0] for lane in entry.find_elements(By.CSS_SELECTOR, ".lane")] == ["python", "python'"]
    assert button.get_attribute("aria-pressed") == "true"


def test_keyboard_alone_finds_and_opens_a_trace(browser: webdriver.Chrome) -> None:
    press(browser, Keys.TAB)
    assert focused(browser).text == "Skip to the report"
    assert focused(browser).rect["x"] >= 0
    press(browser, Keys.ENTER)
    for _ in range(200):
        press(browser, Keys.TAB)
        here = focused(browser)
        outline = here.value_of_css_property("outline-style"), here.value_of_css_property("outline-width")
        assert outline[0] != "none", here.get_attribute("outerHTML")
        if here.get_attribute("id") == "search":
            break
    else:
        pytest.fail("Tab does not lead to the search")
    press(browser, "Late OPENED_at")
    assert browser.find_element(By.ID, "found").text.startswith("1 of ")
    for _ in range(10):
        press(browser, Keys.TAB)
        if focused(browser).tag_name == "summary":
            break
    press(browser, Keys.ENTER)
    wait_for(browser, "return document.getElementById(arguments[0]).querySelector('.timeline svg') !== null", LONG)
    assert browser.find_element(By.ID, LONG).get_attribute("open") == "true"


def test_tables_say_in_words_what_is_drawn(browser: webdriver.Chrome) -> None:
    entry = open_trace(browser, LONG)
    click(browser, entry.find_elements(By.XPATH, ".//summary[contains(., 'as tables')]")[0])
    wait_for(browser, "return document.getElementById(arguments[0]).querySelectorAll('details.plain[open] table').length === 3", LONG)
    calls, states, events = (table.text for table in entry.find_elements(By.CSS_SELECTOR, "details.plain[open] table"))
    assert "slow step 1, 0 ms 0 ms to 700 ms error none 700 ms operation: boom" in calls
    assert "circuit_breaker step 5, 1 s HALF_OPEN" in states
    assert events.count("circuit_state_changed") == 3


def test_figure_of_the_matrix_leads_to_its_traces(browser: webdriver.Chrome) -> None:
    figure = browser.find_element(By.CSS_SELECTOR, ".matrix tbody a.count.failed")
    count = int(figure.text.split()[0])
    click(browser, figure)
    wait_for(browser, "return document.getElementById('found').textContent.includes(' of ')")
    shown = browser.find_elements(By.CSS_SELECTOR, "details.trace:not([hidden])")
    assert len(shown) == count
    assert browser.find_element(By.NAME, "outcome").get_attribute("value") == "failed"
    click(browser, browser.find_element(By.CSS_SELECTOR, "#filter button[type=reset]"))
    wait_for(browser, "return !document.getElementById('found').textContent.includes(' of ')")


def test_pattern_opens_to_its_clauses(browser: webdriver.Chrome) -> None:
    opener = browser.find_element(By.CSS_SELECTOR, ".opener[data-opens=clauses-of-circuit_breaker]")
    click(browser, opener)
    assert opener.get_attribute("aria-expanded") == "true"
    first = browser.find_element(By.CSS_SELECTOR, "#clauses-of-circuit_breaker th")
    assert first.text.startswith("CB-1")
    assert "a failure adds one to failure_count" in first.text


def test_link_to_a_trace_opens_it_at_once(browser: webdriver.Chrome, page: Path) -> None:
    browser.get("about:blank")
    browser.get(f"{page.as_uri()}#{LONG}")
    wait_for(browser, "return document.querySelector('details.trace[open] .timeline svg') !== null")
    assert [each.get_attribute("id") for each in browser.find_elements(By.CSS_SELECTOR, "details.trace[open]")] == [LONG]


def test_every_trace_of_the_catalogue_can_be_drawn(browser: webdriver.Chrome, tmp_path: Path) -> None:
    browser.get(written(tmp_path).as_uri())
    drawn = browser.execute_async_script(
        """
        const done = arguments[arguments.length - 1];
        const entries = [...document.querySelectorAll('details.trace')];
        entries.forEach((entry) => { entry.open = true; });
        const bare = () => entries.filter((entry) => entry.querySelector('.timeline svg.drawn, .whole-trace, .facts + .reasons, .absent') === null);
        let rounds = 0;
        const look = () => (bare().length === 0 || ++rounds > 100 ? done([entries.length, bare().map((entry) => entry.id)]) : setTimeout(look, 200));
        look();
        """
    )
    assert drawn[0] > 500
    assert drawn[1] == []


@pytest.mark.parametrize("size", [WIDE, PHONE])
def test_page_does_not_scroll_sideways(browser: webdriver.Chrome, size: tuple[int, int]) -> None:
    look(browser, size, "light")
    for opener in browser.find_elements(By.CSS_SELECTOR, ".opener"):
        browser.execute_script("arguments[0].click()", opener)
    browser.execute_script("for (const each of document.querySelectorAll('details')) each.open = true")
    wait_for(browser, "return document.querySelectorAll('details.trace:not([open])').length === 0")
    assert browser.execute_script("return document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0


def test_dark_mode_changes_the_colours_and_both_can_be_read(browser: webdriver.Chrome) -> None:
    colours = {}
    for scheme in ("light", "dark"):
        look(browser, WIDE, scheme)
        colours[scheme] = browser.execute_script(
            "const body = getComputedStyle(document.body), quiet = getComputedStyle(document.querySelector('.lead'));"
            "return [body.color, body.backgroundColor, quiet.color]"
        )
    for ink, paper, quiet in colours.values():
        assert contrast(ink, paper) >= 7
        assert contrast(quiet, paper) >= 4.5
    assert luminance(colours["light"][1]) > 0.8
    assert luminance(colours["dark"][1]) < 0.05


def test_theme_can_be_chosen(browser: webdriver.Chrome) -> None:
    paper = "return getComputedStyle(document.body).backgroundColor"
    button = browser.find_element(By.ID, "theme")
    seen = {}
    for _ in range(3):
        seen[button.text] = luminance(browser.execute_script(paper))
        button.click()
    assert list(seen) == ["Theme: system", "Theme: light", "Theme: dark"]
    assert seen["Theme: system"] == seen["Theme: light"] > 0.8 > 0.05 > seen["Theme: dark"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE])
def test_axe_finds_nothing(browser: webdriver.Chrome, size: tuple[int, int], scheme: str) -> None:
    look(browser, size, scheme)
    for name in (FAILING, LONG):
        open_trace(browser, name)
    browser.execute_script("for (const each of document.querySelectorAll('details.plain')) each.open = true")
    browser.find_element(By.CSS_SELECTOR, ".opener").send_keys(Keys.ENTER)
    browser.execute_script(AXE.read_text(encoding="utf-8"))
    result = browser.execute_async_script("axe.run(document, {resultTypes: ['violations']}).then(arguments[arguments.length - 1])")
    assert [(each["id"], each["help"], [node["html"] for node in each["nodes"][:3]]) for each in result["violations"]] == []
