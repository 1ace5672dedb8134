"""`python -m tinymux` is the command `tinymux`."""

from __future__ import annotations

from tinymux.cli import main

if __name__ == "__main__":
    main()
