"""Load test of the facade against a server that fails and recovers: ``make load-python``."""
