"""Tests of the gateway. `make test` runs them all; tests/run.py runs some."""
