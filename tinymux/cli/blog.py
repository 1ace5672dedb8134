"""`tinymux blog`: a folder of Markdown posts, served by tinies."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

import click

from tinymux.blog import control
from tinymux.blog.posts import slug_of
from tinymux.cli.options import LISTEN, board_options, make_bridge
from tinymux.cli.session import Session, Signals
from tinymux.errors import BlogError

FOLDER = click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=Path())
LOOK_SECONDS = 0.2


@click.group()
def blog() -> None:
    """A folder of Markdown posts, served from 1 KB computers.

    \b
      tinymux blog new my-blog "First post"    a folder with blog.toml and a post in posts/
      tinymux blog check my-blog               does all of it fit? what to cut?
      tinymux blog preview my-blog             the very bytes on localhost, without tinies
      tinymux blog publish my-blog             onto the tinies, and served until Ctrl-C
    """


@blog.command()
@FOLDER
@click.argument("title")
def new(folder: Path, title: str) -> None:
    """Begin a post, and a blog where there is none.

    \b
      tinymux blog new my-blog "First post"
    """
    slug = slug_of(title)
    if not slug or "\n" in title:
        raise BlogError(f"{title!r}: no slug can be made of it: use some of a-z and 0-9")
    path = folder / "posts" / f"{slug}.md"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        settings = folder / "blog.toml"
        if not settings.exists():
            settings.write_text('title = "A blog from tinies"\n', encoding="utf-8")
        with path.open("x", encoding="utf-8") as file:
            file.write(f"---\ntitle: {title}\ndate: {date.today()}\n---\nWrite here.\n")
    except FileExistsError:
        raise BlogError(f"{path}: is there already") from None
    except OSError as error:
        raise BlogError(f"{error.filename}: cannot be written: {error.strerror}") from error
    click.echo(path)


@blog.command()
@FOLDER
def check(folder: Path) -> None:
    """Show the bytes that each page uses and leaves of a tiny, and what to cut.

    \b
      tinymux blog check my-blog
    """
    from tinymux.blog.packing import pack, room
    from tinymux.blog.pages import Blog

    made = Blog.read(folder, room)
    click.echo(f"{'page':40} {'text':>6} {'flash':>6} {'left':>6}")
    for page in made.pages:
        click.echo(f"{page.key:40} {len(page.plain):6} {len(page.body):6} {room(page):6}")
    tinies = sum(bundle.replicas for bundle in pack(made.pages))
    click.echo(f"{len(made.pages)} pages, with their replicas on {tinies} tinies")
    still = [page for page in made.pages if page.after is None]
    for encoding in made.settings.encodings:
        there = {page.path for page in still if page.encoding == encoding}
        missing = [page.path for page in still if not page.also and page.path not in there]
        if missing:
            click.echo(f"not in {encoding}, for it does not fit so: {', '.join(missing)}")
    for post in made.posts:
        parts = [page for page in made.pages if page.source == str(post.path) and not page.also]
        if len(parts) > 1:
            over = sum(page.characters for page in parts[1:])
            click.echo(f"{post.path}: takes {len(parts)} tinies; cut about {over} characters to fit one")


@blog.command()
@FOLDER
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="Where to listen.")
def preview(folder: Path, port: int) -> None:
    """Serve the very bytes on localhost, without tinies, until Ctrl-C.

    \b
      tinymux blog preview my-blog --port 8000
    """
    from threading import Thread

    from tinymux.blog.packing import room
    from tinymux.blog.pages import Blog
    from tinymux.blog.preview import Preview

    with Signals() as signals:
        shown = Preview(Blog.read(folder, room), port=port)
        thread = Thread(target=shown.server.serve_forever)
        thread.start()
        click.echo(f"preview at {shown.url}")
        signals.seen(None)
        shown.server.shutdown()
        thread.join()
        shown.server.server_close()


@blog.command()
@FOLDER
@click.option("--plan", "plan_only", is_flag=True, help="Show what would be done, and do nothing.")
@click.option("--once", is_flag=True, help="Flash what differs and end; whoever serves it does so by published.json.")
@board_options
@LISTEN
def publish(folder: Path, plan_only: bool, once: bool, listen: str, **bridge: Any) -> None:
    """Put the blog onto the tinies, and serve it until Ctrl-C.

    Where another `publish` serves this folder already, what has changed is published there, tiny by
    tiny, so that every page stays served, and this command ends. Only tinies that differ are flashed.

    \b
      tinymux blog publish my-blog --state my-board    the simulated board, which keeps what is flashed
      tinymux blog publish my-blog --board b0          a board on USB
      tinymux blog publish my-blog --plan              only what would be done
      tinymux blog publish my-blog --once --board b0   flashed, not served
    """
    from tinymux.blog.packing import room
    from tinymux.blog.pages import Blog
    from tinymux.blog.plain import Plain
    from tinymux.blog.publisher import PLAIN_SOCKET, Plan, Publisher
    from tinymux.blog.record import read_record

    bridge_made = make_bridge(image=None, **bridge)
    if plan_only:
        boards = {node.index: node.board for node in bridge_made.nodes}
        for line in Plan.make(folder, boards, read_record(folder), rolling=False).lines():
            click.echo(line)
        return
    if control.ask(folder, "publish", click.echo):
        return
    Blog.read(folder, room)  # all that can be refused is, before anything is started
    publisher = Publisher(folder, click.echo)
    with ExitStack() as stack:
        if once:
            stack.enter_context(Session(bridge_made, None, publisher.start))
            return
        session = stack.enter_context(Session(bridge_made, listen, publisher.start))
        nginx, listener = session.nginx, session.listener
        assert nginx and listener
        stack.enter_context(Plain(nginx.folder / PLAIN_SOCKET, listener.address))
        served = stack.enter_context(control.Control(folder))
        click.echo(f"serving at {session.url}")

        def do(request: str, tell: Callable[[str], None]) -> None:
            publisher.tell = tell
            if request == "publish":
                publisher.publish(session.bridge, nginx)
            elif request == "status":
                for line in publisher.status(session.bridge):
                    tell(line)

        while not session.signals.seen(0):
            session.check()
            served.serve(LOOK_SECONDS, do)
            publisher.prepare(session.bridge)


@blog.command()
@FOLDER
def status(folder: Path) -> None:
    """Show what is where.

    \b
      tinymux blog status my-blog
    """
    from tinymux.blog.publisher import status_lines
    from tinymux.blog.record import read_record

    if control.ask(folder, "status", click.echo):
        return
    held = read_record(folder)
    if not held:
        raise BlogError(f"{folder}: nothing was published yet")
    published = time.strftime("%Y-%m-%d %H:%M", time.localtime((folder / "published.json").stat().st_mtime))
    click.echo(f"not served now; last published {published}:")
    for line in status_lines(held, (), max(held) + 1):
        click.echo(line)
