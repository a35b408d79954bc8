"""Provider files: the resilience of each provider from YAML or JSON (PF). Needs the extra ``skidbladnir[providers]``."""

# The libraries behind this have no complete types.
# pyright: basic

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

from skidbladnir.circuit_breaker import ResetTimeoutBackoff
from skidbladnir.clock import Clock
from skidbladnir.errors import ConfigurationError, ResilienceError
from skidbladnir.events import Listener
from skidbladnir.facade import FacadeOptions, ResilienceFacade
from skidbladnir.matching import regex_source
from skidbladnir.window import SlowCall, Window

try:
    import jsonschema
    import re2  # pyright: ignore[reportMissingImports]
    from jsonschema import validators

    from skidbladnir.yaml_reader import Document, Fault, join, read_yaml
except ImportError as missing:
    raise ImportError(f"{missing}: provider files need the extra, skidbladnir[providers]") from missing

SECTIONS = ("retry", "timeout", "circuit_breaker", "bulkhead", "cache")
_CODE_OF_KEYWORD = {
    "type": "type",
    "minimum": "range",
    "maximum": "range",
    "exclusiveMinimum": "range",
    "enum": "enum",
    "required": "required",
    "additionalProperties": "unknown_key",
}
_WINDOW_OPTIONS = {
    "count": ("size", "minimum_calls", "failure_rate"),
    "time": ("duration_ms", "buckets", "minimum_calls", "failure_rate"),
}

Section = dict[str, Any]


class ProviderFileError(ResilienceError, ValueError):
    """A provider file is wrong: ``faults`` lists everything that is, in the order of the lines (PF-6)."""

    code = "configuration"

    def __init__(self, source: str, faults: list[Fault]) -> None:
        super().__init__("\n".join(f"{source}: {fault}" for fault in faults))
        self.faults = faults


class UnknownProviderError(ResilienceError, KeyError):
    """A provider that is neither in the file nor a preset (PF-10)."""

    code = "configuration"

    def __init__(self, provider: str, known: Iterable[str]) -> None:
        super().__init__(f"unknown provider {provider!r}; known are {', '.join(sorted(known))}")
        self.provider = provider

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """The effective options of one provider: a section is None when it is off."""

    name: str
    sections: Mapping[str, Section | None]

    def to_dict(self) -> dict[str, Section | None]:
        """Every option with its effective value, under the names of the specification."""
        return {
            section: None if options is None else _with_defaults(section, options)
            for section, options in self.sections.items()
        }

    def options(self) -> FacadeOptions:
        """As the arguments of ``ResilienceFacade``; change them as you like before building one."""
        built = {
            section: None if options is None else _arguments(section, options)
            for section, options in self.sections.items()
        }
        return cast("FacadeOptions", built)

    def facade(self, *, listeners: Iterable[Listener] = (), clock: Clock | None = None) -> ResilienceFacade:
        """A facade with these options, named after the provider."""
        return ResilienceFacade(self.name, **self.options(), listeners=listeners, clock=clock)


class Providers(Mapping[str, ProviderConfig]):
    """The providers of a file; the presets can be asked for as well, by ``provider``."""

    def __init__(self, configs: Mapping[str, ProviderConfig], presets: Mapping[str, ProviderConfig]) -> None:
        self._configs = configs
        self._presets = presets

    def __getitem__(self, provider: str) -> ProviderConfig:
        return self.provider(provider)

    def __iter__(self) -> Iterator[str]:
        return iter(self._configs)

    def __len__(self) -> int:
        return len(self._configs)

    def provider(self, name: str) -> ProviderConfig:
        """A provider of the file, or else the preset of that name.

        Raises:
            UnknownProviderError: when there is none.
        """
        config = self._configs.get(name) or self._presets.get(name)
        if config is None:
            raise UnknownProviderError(name, {*self._configs, *self._presets})
        return config


def load_providers(path: str | Path) -> Providers:
    """Reads a provider file, YAML or JSON.

    Raises:
        ProviderFileError: lists every fault of the file.
        OSError: when it cannot be read.
    """
    return parse_providers(Path(path).read_bytes(), source=str(path))


def parse_providers(data: bytes | str, *, source: str = "providers") -> Providers:
    """As ``load_providers``, from text. ``source`` names it in errors."""
    document = read_yaml(data.encode() if isinstance(data, str) else data)
    presets_document = _presets_document()
    if not document.faults:
        document.faults.extend(_schema_faults(document))
        document.faults.extend(_Resolver(document, presets_document.value["providers"]).faults())
    if document.faults:
        raise ProviderFileError(source, sorted(document.faults, key=lambda fault: (fault.line, fault.path)))
    return Providers(
        _effective(document.value, presets_document.value["providers"]), presets()
    )


@cache
def presets() -> Providers:
    """The providers that come with the package: ``zephyr`` and ``qtest`` (PF-4)."""
    return Providers(_effective(_presets_document().value, {}), {})


@cache
def _presets_document() -> Document:
    return read_yaml(_data("presets.yaml"))


@cache
def _schema() -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads(_data("providers.schema.json")))


def _data(name: str) -> bytes:
    return files("skidbladnir").joinpath("data", name).read_bytes()


def _also_not_nan(keyword: str) -> Any:
    """The keyword as of jsonschema; but NaN, of which every comparison is false, is not in any range."""
    check = jsonschema.Draft202012Validator.VALIDATORS[keyword]

    def checked(validator: Any, limit: float, value: Any, schema: Any) -> Iterator[jsonschema.ValidationError]:
        yield from check(validator, limit, -math.inf if value != value else value, schema)

    return checked


_Validator: Any = cast("Any", validators).extend(
    jsonschema.Draft202012Validator, {keyword: _also_not_nan(keyword) for keyword in ("minimum", "exclusiveMinimum")}
)


def _schema_faults(document: Document) -> Iterator[Fault]:
    """What the JSON Schema says, one fault for each place."""
    seen: set[str] = set()
    for error in _Validator(_schema()).iter_errors(document.value):
        path = ""
        for part in error.absolute_path:
            path = f"{path}[{part}]" if isinstance(part, int) else join(path, part)
        code = _CODE_OF_KEYWORD[str(error.validator)]
        if code == "unknown_key":
            allowed = cast("dict[str, Any]", error.schema).get("properties", {})
            for key in error.instance:
                if key not in allowed:
                    at = join(path, key)
                    yield Fault(code, at, document.key_lines[at], key, "one of " + ", ".join(allowed))
        elif path not in seen:
            seen.add(path)
            yield Fault(code, path, document.line(path), error.instance, _allowed(code, error))


def _allowed(code: str, error: jsonschema.ValidationError) -> str:
    schema = cast("dict[str, Any]", error.schema)
    if code == "range":
        least = f"above {schema['exclusiveMinimum']}" if "exclusiveMinimum" in schema else schema["minimum"]
        return f"{least} to {schema['maximum']}"
    if code == "type":
        types = schema["type"]
        return types if isinstance(types, str) else " or ".join(types)
    words: list[str] = cast("Any", error.validator_value) if code == "enum" else schema["required"]
    return ("one of " if code == "enum" else "with ") + ", ".join(words)


class _Resolver:
    """What the schema cannot say: inheritance, regexes, and options that exclude each other."""

    def __init__(self, document: Document, presets: Mapping[str, Any]) -> None:
        self._document = document
        self._presets = presets
        root = document.value if isinstance(document.value, dict) else {}
        self._defaults = _mapping(root.get("defaults"))
        self._providers = {name: _mapping(body) for name, body in _mapping(root.get("providers")).items()}
        self._reported = {fault.path for fault in document.faults}
        self._found: list[Fault] = []

    def faults(self) -> list[Fault]:
        self._check_regexes("defaults", self._defaults)
        self._check_places([("defaults", self._defaults)])
        for name, provider in self._providers.items():
            path = f"providers.{name}"
            self._check_regexes(path, provider)
            layers = self._layers(name)
            if layers is not None:
                self._check_places(layers)
        return self._found

    def _layers(self, name: str) -> list[tuple[str, Section]] | None:
        """A provider's mappings with their paths, its own first; None when ``extend`` is wrong."""
        layers: list[tuple[str, Section]] = []
        seen: set[str] = set()
        current = name
        while True:
            provider = self._providers[current]
            path = f"providers.{current}"
            layers.append((path, provider))
            seen.add(current)
            target = provider.get("extend")
            if not isinstance(target, str):
                return [*layers, ("defaults", self._defaults)]
            if target in self._providers and target != current:
                if target in seen:
                    if target == name:
                        chain = provider_extends(layers)
                        self._report("cyclic_extend", f"{layers[0][0]}.extend", chain, "no way back to itself")
                    return None
                current = target
            elif target in self._presets:
                return [*layers, ("", self._presets[target])]
            elif target == current:
                self._report("cyclic_extend", f"{path}.extend", target, "another provider")
                return None
            else:
                known = ", ".join([*self._providers, *self._presets])
                self._report("unknown_extend", f"{path}.extend", target, f"one of {known}")
                return None

    def _check_regexes(self, path: str, sections: Section) -> None:
        patterns = _mapping(sections.get("retry")).get("retryable_errors")
        for index, pattern in enumerate(patterns if isinstance(patterns, list) else []):
            at = f"{path}.retry.retryable_errors[{index}]"
            if isinstance(pattern, dict):
                at = f"{at}.regex"
            source = regex_source(pattern) if isinstance(pattern, (str, dict)) else None
            if isinstance(source, str):
                try:
                    compile_re2(source)
                except re2.error as error:
                    self._report("regex", at, source, f"a regular expression of RE2 ({_text(error)})")

    def _check_places(self, layers: list[tuple[str, Section]]) -> None:
        """Cross-option checks on the effective circuit breaker, reported where the offending option is written."""
        effective: Section = {}
        places: dict[str, str] = {}
        for path, sections in reversed(layers):
            section = sections.get("circuit_breaker", {})
            effective = {} if section is None else _merged(effective, _mapping(section))
            places.update({option: f"{path}.circuit_breaker.{option}" for option in _mapping(section)})
        window = _mapping(effective.get("window", {"kind": "consecutive"}))
        kind = window.get("kind")
        if kind not in ("consecutive", "cumulative", "count", "time"):
            return
        allowed = _WINDOW_OPTIONS.get(kind, ())
        for option in window:
            if option not in ("kind", *allowed) and option in ("size", "duration_ms", "buckets", "minimum_calls", "failure_rate"):
                self._report("conflict", f"{places['window']}.{option}", window[option], f"not with the window {kind}")
        if "failure_threshold" in effective and allowed:
            at = places["failure_threshold"]
            self._report("conflict", at, effective["failure_threshold"], f"not with the window {kind}")
        if "slow_call" in effective and not allowed:
            self._report("conflict", places["slow_call"], effective["slow_call"], "only with the windows count and time")
        size, minimum = window.get("size", 100), window.get("minimum_calls")
        if kind == "count" and _is_number(size) and _is_number(minimum) and minimum > size:
            self._report("range", f"{places['window']}.minimum_calls", minimum, f"1 to size ({size})")
        maximum = _mapping(effective.get("reset_timeout_backoff")).get("max_ms")
        reset = effective.get("reset_timeout_ms", 30000)
        if _is_number(maximum) and _is_number(reset) and maximum < reset:
            at = f"{places['reset_timeout_backoff']}.max_ms"
            self._report("range", at, maximum, f"at least reset_timeout_ms ({reset})")

    def _report(self, code: str, path: str, value: object, allowed: str) -> None:
        """Once for each place, and not where the schema has spoken."""
        if path not in self._reported:
            self._reported.add(path)
            self._found.append(Fault(code, path, self._document.line(path), value, allowed))


def provider_extends(layers: list[tuple[str, Section]]) -> str:
    """The chain of a cycle, for the message."""
    return " -> ".join(str(sections.get("extend")) for _, sections in layers)


def _effective(root: Section, presets: Mapping[str, Any]) -> dict[str, ProviderConfig]:
    """PF-2 and PF-3, for a file without faults."""
    own = cast("dict[str, Section]", root["providers"])
    defaults = _mapping(root.get("defaults"))

    def sections_of(name: str, known: Mapping[str, Any]) -> dict[str, Section | None]:
        provider = cast("Section", known[name])
        parent = provider.get("extend")
        if known is presets:
            inherited: dict[str, Section | None] = {section: {} for section in SECTIONS}
        elif parent is None:
            inherited = _overlaid({section: {} for section in SECTIONS}, defaults)
        elif parent in own and parent != name:
            inherited = sections_of(parent, own)
        else:
            inherited = sections_of(parent, presets)
        return _overlaid(inherited, provider)

    return {name: ProviderConfig(name, sections_of(name, own)) for name in own}


def _overlaid(inherited: Mapping[str, Section | None], provider: Section) -> dict[str, Section | None]:
    result: dict[str, Section | None] = {}
    for section in SECTIONS:
        if section not in provider:
            result[section] = inherited[section]
        elif provider[section] is None:
            result[section] = None
        else:
            result[section] = _merged(inherited[section] or {}, provider[section])
    return result


def _merged(inherited: Section, own: Section) -> Section:
    """Option by option; a window given anew drops what is inherited and does not go with it (PF-2)."""
    result = {**inherited, **own}
    if "window" in own:
        unfit = "failure_threshold" if _mapping(own["window"]).get("kind") in _WINDOW_OPTIONS else "slow_call"
        if unfit not in own:
            result.pop(unfit, None)
    return result


def _with_defaults(section: str, options: Section) -> Section:
    """The options with the defaults of the schema, and those that depend on others."""
    schema = _schema()["$defs"][section]["properties"]
    result = {name: copy.deepcopy(option["default"]) for name, option in schema.items() if "default" in option}
    result.update(copy.deepcopy(options))
    if section == "circuit_breaker":
        result.setdefault("half_open_max_concurrent", result["half_open_success_threshold"])
        kind = result["window"]["kind"]
        if kind in _WINDOW_OPTIONS:
            result.pop("failure_threshold")
            defaults = schema["window"]["properties"]
            window = {option: defaults[option]["default"] for option in _WINDOW_OPTIONS[kind]} | result["window"]
            if kind == "count" and "minimum_calls" not in _mapping(options.get("window")):
                window["minimum_calls"] = min(window["minimum_calls"], window["size"])
            result["window"] = window
        for name in ("slow_call", "reset_timeout_backoff"):
            if name in result:
                defaults = schema[name]["properties"]
                filled = {key: option["default"] for key, option in defaults.items() if "default" in option}
                result[name] = filled | result[name]
    return result


def _arguments(section: str, options: Section) -> Section:
    """The options as arguments of the pattern's class."""
    arguments = _durations(options)
    if section == "retry":
        arguments["compile_regex"] = compile_re2
    if section == "circuit_breaker":
        for name, kind in (("window", Window), ("slow_call", SlowCall)):
            if name in arguments:
                arguments[name] = kind(**_durations(options[name]))
        if "reset_timeout_backoff" in arguments:
            backoff = _durations(options["reset_timeout_backoff"])
            arguments["reset_timeout_backoff"] = ResetTimeoutBackoff(
                maximum=backoff.pop("max"), factor=backoff.pop("factor", 2.0)
            )
    return arguments


def _durations(options: Section) -> Section:
    """``x_ms`` becomes ``x``, a timedelta. The schema takes 5.0 for a whole number: made one here."""
    result: Section = {}
    for name, value in options.items():
        if name.endswith("_ms"):
            result[name[:-3]] = timedelta(milliseconds=value)
        else:
            result[name] = int(value) if isinstance(value, float) and value.is_integer() else value
    return result


_ANY_BYTE = re.compile(r"(?<!\\)(?:\\\\)*\\C")


def compile_re2(source: str) -> Any:
    """A regex with RE2's syntax, which matches in linear time (PF-9)."""
    if _ANY_BYTE.search(source):
        raise re2.error("\\C is not supported")  # as in the other languages: it could split a character
    options = re2.Options()
    options.log_errors = False
    return re2.compile(source, options)


def _text(error: Exception) -> str:
    text = error.args[0] if error.args else error
    return text.decode() if isinstance(text, bytes) else str(text)


def _mapping(value: object) -> Section:
    return cast("Section", value) if isinstance(value, dict) else {}


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


__all__ = [
    "ConfigurationError",
    "Fault",
    "ProviderConfig",
    "ProviderFileError",
    "Providers",
    "UnknownProviderError",
    "load_providers",
    "parse_providers",
    "presets",
]
