"""Entry point of `python -m orchestration.cli`."""

from orchestration.cli import main

if __name__ == "__main__":
    main()
