"""A blog's pages as a browser gets them: posts in parts that each fit a tiny, the index, the feed, the style sheet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from string import Template

from tinymux.blog.compress import ENCODINGS, encode
from tinymux.blog.markdown import Document
from tinymux.blog.posts import Post, read_posts
from tinymux.blog.settings import TEMPLATE, Settings, read_settings
from tinymux.errors import BlogError
from tinymux.images.blog import LIVE_BYTES, TEXT_BYTES

HTML, CSS, ATOM = "text/html; charset=utf-8", "text/css", "application/atom+xml"
KINDS = {"/feed": ATOM, "/style": CSS}  # all others are HTML
MICROBLOG = "/now"
NOT_FOUND = "/404"  # where the page for all that is not found stands among the others
MOST_PARTS = 99
OLDER = 40  # bytes, at most, that the link to older posts takes: the last page has none, so it may hold one post more

Room = Callable[["Page"], int]  # bytes that a page leaves free on a tiny of its own; less than 0: over


@dataclass(frozen=True)
class Page:
    """One page: its path on the blog, its text, and how many tinies shall have it.

    characters: of the post's own text in it, 0 where it is no post's. after: of a page that shows the tiny's RAM, the
    text behind that; `text` is then what comes before it. encoding: one of compress.ENCODINGS. also: it is there in a
    smaller encoding, too.
    """

    path: str
    text: bytes
    replicas: int
    source: str = ""
    characters: int = 0
    after: bytes | None = None
    encoding: str = "br"
    also: bool = False

    @property
    def kind(self) -> str:
        """Its media type."""
        return KINDS.get(self.path, HTML)

    @property
    def key(self) -> str:
        """Tells it from all others: its path, and its encoding where that is not the path's first."""
        return f"{self.path} {self.encoding}" if self.also else self.path

    @property
    def plain(self) -> bytes:
        """All of its text. Of a live page, as if nothing had been posted yet."""
        return self.text if self.after is None else self.text + b" " * LIVE_BYTES + self.after

    @property
    def body(self) -> bytes:
        """As it goes over the wire."""
        return encode(self.plain, self.encoding)


@dataclass(frozen=True)
class Blog:
    """A blog made into pages."""

    settings: Settings
    posts: tuple[Post, ...]
    pages: tuple[Page, ...]

    @classmethod
    def read(cls, folder: Path, room: Room) -> Blog:
        """The blog in a folder: blog.toml and posts/*.md. BlogError, with file and line, where anything is wrong."""
        settings = read_settings(folder)
        return cls.made(settings, read_posts(folder / "posts"), room)

    @classmethod
    def made(cls, settings: Settings, posts: Sequence[Post], room: Room) -> Blog:
        """Pages from posts, newest first."""
        maker = _Maker(settings, room)
        pages = [*maker.index(posts), maker.feed(posts), *maker.extras()]
        for post in posts:
            pages += maker.post(post)
        return cls(settings, tuple(posts), (*pages, *maker.others(pages)))


class _Maker:
    """What all pages are made with."""

    def __init__(self, settings: Settings, room: Room) -> None:
        self.settings, self.room = settings, room
        self.encoding, *self.more = [one for one in ENCODINGS if one in settings.encodings]
        self.template = Template(settings.read(settings.template, TEMPLATE).strip())
        where = settings.folder / settings.template if settings.template else Path("the template")
        try:
            self._fill("", "", "", "")
        except (KeyError, ValueError) as error:
            raise BlogError(
                f"{where}: {error} is nothing that a template has: $title, $date, $body, $links, and $$ for $"
            ) from None
        if "body" not in self.template.get_identifiers():
            raise BlogError(f"{where}: without $body no page would have any text")

    def _fill(self, title: str, date: str, body: str, links: str) -> str:
        return self.template.substitute(title=escape(title, quote=False), date=date, body=body, links=links)

    def post(self, post: Post) -> list[Page]:
        """A post's page, or as many linked ones as it takes; each but the last is as full as it goes."""
        document = Document(post.text)
        total = len(document.pieces)
        whole = self._part(post, document, 1, (0, total))
        if self.room(whole) >= 0:
            return [whole]
        pages: list[Page] = []
        start = 0
        while start < total:
            number = len(pages) + 1
            rest = self._part(post, document, number, (start, total))
            if self.room(rest) >= 0:
                return [*pages, rest]
            # The most pieces that fit. Compressed size all but grows with each, so a search by halves finds them.
            low, high = start, total - 1
            while low < high:
                middle = (low + high + 1) // 2
                if self.room(self._part(post, document, number, (start, middle))) >= 0:
                    low = middle
                else:
                    high = middle - 1
            if low == start:
                over = -self.room(self._part(post, document, number, (start, start + 1)))
                piece = document.pieces[start].strip()
                line = post.line + post.text[: max(post.text.find(piece), 0)].count("\n")
                raise BlogError(
                    f"{post.where(line)}: {piece[:32]!r}... cannot be cut and is {over} bytes over what one tiny holds:"
                    " shorten it, or make two of it"
                )
            pages.append(self._part(post, document, number, (start, low)))
            start = low
            if len(pages) > MOST_PARTS:
                raise BlogError(f"{post.where()}: {post.slug} takes more than {MOST_PARTS} tinies")
        return pages

    def _part(self, post: Post, document: Document, number: int, span: tuple[int, int]) -> Page:
        path = f"/{post.slug}"
        links = "" if number == 1 else f"<p><a href={path if number == 2 else f'{path}/{number - 1}'}>back</a>"
        links += "" if span[1] == len(document.pieces) else f"<p><a href={path}/{number + 1}>more</a>"
        html = self._fill(post.title, post.date.isoformat(), document.html(*span), links)
        characters = len("".join(document.pieces[slice(*span)]).strip())
        replicas = post.replicas or self.settings.replicas
        return Page(
            path if number == 1 else f"{path}/{number}",
            html.encode(),
            replicas,
            str(post.path),
            characters,
            encoding=self.encoding,
        )

    def index(self, posts: Sequence[Post]) -> list[Page]:
        """Titles and dates, newest first, over as many pages as it takes."""
        pages: list[Page] = []
        start = 0
        while start < len(posts) or not pages:
            fits = None
            for end in range(start + 1, len(posts) + 1):
                page = self._index_page(posts[start:end], len(pages) + 1, last=end == len(posts))
                over = -self.room(page)
                if over <= 0:
                    fits = end, page
                elif over > OLDER:
                    break
            if fits is None:
                page = self._index_page(posts[start : start + 1], len(pages) + 1, last=False)
                raise BlogError(
                    f"{posts[start].where(1)}: the title is {-self.room(page)} bytes over what the index can hold:"
                    " shorten it"
                )
            start = fits[0]
            pages.append(fits[1])
        return pages

    def _index_page(self, posts: Sequence[Post], number: int, last: bool) -> Page:
        items = "".join(f"<li>{post.date} <a href=/{post.slug}>{escape(post.title, quote=False)}</a>" for post in posts)
        links = "" if last else f"<p><a href=/{number + 1}>older</a>"
        links += f"<p><a href={MICROBLOG}>now</a>" if self.settings.microblog and number == 1 else ""
        html = self._fill(self.settings.title, posts[0].date.isoformat(), f"<ul>{items}</ul>", links)
        return self._own("/" if number == 1 else f"/{number}", html)

    def _own(self, path: str, text: str) -> Page:
        """One of the blog's own pages."""
        return Page(path, text.encode(), self.settings.index_replicas, encoding=self.encoding)

    def feed(self, posts: Sequence[Post]) -> Page:
        """Atom (RFC 4287), with as many of the newest posts as fit."""
        for count in range(len(posts), 0, -1):
            page = self._own("/feed", self._atom(posts[:count]))
            if self.room(page) >= 0:
                return page
        raise BlogError(
            f"{self.settings.folder / 'blog.toml'}: the feed is {-self.room(page)} bytes over: shorten"
            " title, author or url"
        )

    def _atom(self, posts: Sequence[Post]) -> str:
        url = escape(self.settings.url)
        entries = "".join(
            f"<entry><title>{escape(post.title, quote=False)}</title><id>{url}/{post.slug}</id>"
            f'<updated>{post.date}T00:00:00Z</updated><link href="{url}/{post.slug}"/></entry>'
            for post in posts
        )
        updated = max(post.date for post in posts)
        return (
            f'<feed xmlns="http://www.w3.org/2005/Atom"><title>{escape(self.settings.title, quote=False)}</title>'
            f"<id>{url}/</id><updated>{updated}T00:00:00Z</updated>"
            f"<author><name>{escape(self.settings.author, quote=False)}</name></author>{entries}</feed>"
        )

    def extras(self) -> list[Page]:
        """The style sheet, where there is one, and the page for what is not found."""
        missing = self._fill("Not found", "", "<p><a href=/>Posts</a>", "")
        pages = [self._own(NOT_FOUND, missing)]
        if self.settings.microblog:
            # On one tiny only: its RAM is the only place where the entry is.
            # As plain text the entry comes as it is, behind the first "=".
            entry = f"<input name=t maxlength={TEXT_BYTES}><button>Post</button>"
            form = f"<form method=post enctype=text/plain>{entry}</form>"
            html = self._fill("Now", "", f"<pre>Visit \0</pre>{form}", "")
            before, _, after = html.partition("\0")
            # What has a checksum behind it, as gzip, cannot change on the way.
            encoding = self.encoding if self.encoding == "br" else "plain"
            pages.append(Page(MICROBLOG, before.encode(), 1, after=after.encode(), encoding=encoding))
        if self.settings.style:
            pages.append(self._own("/style", self.settings.read(self.settings.style).strip()))
        for page in pages:
            if self.room(page) < 0:
                where = self.settings.folder / (self.settings.style if page.kind == CSS else self.settings.template)
                raise BlogError(f"{where}: {page.path} is {-self.room(page)} bytes over what one tiny holds")
        return pages

    def others(self, pages: Sequence[Page]) -> list[Page]:
        """The same pages in the encodings that the settings name besides, as far as they fit a tiny so."""
        still = [page for page in pages if page.after is None]
        copies = [replace(page, encoding=encoding, also=True) for encoding in self.more for page in still]
        return [page for page in copies if self.room(page) >= 0]
