"""The conformance runner: one catalogue, many drivers, one verdict."""

SPEC_VERSION = "1.0"
PROTOCOL_VERSION = 1
