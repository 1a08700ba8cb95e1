"""Entry point of `python -m simulacra_trainer`."""

from simulacra_trainer.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
