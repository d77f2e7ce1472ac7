"""Run routing: `python -m services.routing`."""

from services.runtime.main import run_service

run_service("routing")
