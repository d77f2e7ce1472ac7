"""Runs scoring: `python -m services.scoring`."""

from services.runtime.main import run_service

if __name__ == "__main__":
    run_service("scoring")
