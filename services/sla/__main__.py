"""Runs sla: `python -m services.sla`."""

from services.runtime.main import run_service

if __name__ == "__main__":
    run_service("sla")
