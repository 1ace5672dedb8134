"""`tinymux install` and `tinymux uninstall`: udev rule, user, service and configuration, there and away again."""

from __future__ import annotations

from pathlib import Path

import click

from tinymux import install as machine

ROOT = click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    default="/",
    show_default=True,
    help="Folder that stands for the machine's root, to look at the files or to make a package.",
)


@click.command()
@ROOT
def install(root: Path) -> None:
    """Set this machine up for boards: udev rule, user, service, configuration. As root; again is harmless.

    \b
      tinymux install && systemctl enable --now tinymuxd     as root
    """
    for line in machine.install(root):
        print(line)
    if root == Path("/"):
        print("next: 'tinymux doctor'; 'systemctl enable --now tinymuxd' for the service")


@click.command()
@ROOT
def uninstall(root: Path) -> None:
    """Stop the service and take away what `install` brought; the configuration stays.

    \b
      tinymux uninstall             as root
    """
    for line in machine.uninstall(root):
        print(line)
