"""The command line: ``python -m hobgoblin COMMAND``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import hobgoblin
from hobgoblin.cli import demo, doctor

__all__ = ["main"]

INTERRUPTED = 130
"""What a shell reports for a program that was stopped with Ctrl-C."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that ``argv`` names; return the exit code. A wrong command line exits with 2."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    try:
        if arguments.version:
            print(f"hobgoblin {hobgoblin.__version__}")
            code = 0
        elif arguments.command == "demo":
            code = demo.run() if arguments.server is None else demo.serve(arguments.server)
        elif arguments.command == "doctor":
            code = doctor.run()
        else:
            parser.print_help()
            code = 0
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone, as `head` does. The interpreter flushes once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m hobgoblin",
        description="Distributed programming with object capabilities: CapTP and OCapN.",
    )
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    about = "watch two processes talk, message by message"
    command = commands.add_parser("demo", help=about, description=about.capitalize() + ".")
    command.add_argument("--server", metavar="PATH", help=argparse.SUPPRESS)  # the other of the two
    about = "tell what is installed here, and in which form it runs"
    commands.add_parser("doctor", help=about, description=about.capitalize() + ".")
    return parser
