"""`saih` and `python -m saih`."""

import sys


def main() -> int:
    """The command line; one line where there is too little memory even to load it."""
    try:
        from saih.cli.main import main as command
    except MemoryError:
        print("saih: not enough memory to start", file=sys.stderr)
        return 2
    return command()


if __name__ == "__main__":
    sys.exit(main())
