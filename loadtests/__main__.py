"""`python -m loadtests COMMAND`; `--help` lists them."""

from __future__ import annotations

from loadtests.commands import main

if __name__ == "__main__":
    main()
