"""python -m services.desk"""

from services.runtime.main import run_service

if __name__ == "__main__":
    run_service("desk")
