"""`python -m services.alerting`."""

from services.runtime.main import run_service

run_service("alerting")
