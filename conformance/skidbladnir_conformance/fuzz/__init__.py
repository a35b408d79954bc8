"""Differential exploration: random traces, replayed in all languages, compared with each other and with invariants."""
