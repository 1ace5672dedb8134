"""From Markdown to pages: the least HTML, parts that fit, an index, a feed, and the template."""

from __future__ import annotations

import gzip
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import feedparser
import pytest

from tinymux.blog.compress import compress, decompress, encode
from tinymux.blog.markdown import Document
from tinymux.blog.pages import Blog
from tinymux.blog.posts import Post, read_posts
from tinymux.blog.settings import Settings
from tinymux.errors import BlogError

START = b'<!doctype html><meta name=viewport content="width=device-width">'
POSTS = Path(__file__).parent / "posts"


def within(size):
    """Room for bodies of that many bytes."""
    return lambda page: size - len(page.body)


def made(posts, size=10_000, **settings):
    return {page.path: page for page in Blog.made(Settings(**settings), posts, within(size)).pages}


class Text(HTMLParser):
    """What a browser shows of a page."""

    def __init__(self, page):
        super().__init__()
        self.words = []
        self.links = []
        self.feed(page.text.decode())

    def handle_data(self, data):
        self.words += data.split()

    def handle_starttag(self, tag, attributes):
        self.links += [value for name, value in attributes if name == "href"]


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("One\ntwo.\n\nThree.", "<p>One two.<p>Three."),
        ("* a\n* b", "<ul><li>a<li>b</ul>"),
        ("[x](http://a.b/c?d)", "<p><a href=http://a.b/c?d>x</a>"),
        ("[x](/a?b=c)", '<p><a href="/a?b=c">x</a>'),
        ('[x](/y "a b")', '<p><a href=/y title="a b">x</a>'),
        ('# *Big* & "good"', '<h1><em>Big</em> &amp; "good"</h1>'),
        ("> a\n> b", "<blockquote><p>a b</blockquote>"),
        ("a  \nb", "<p>a<br>b"),
        ("a\n\n<div>raw</div>", "<p>a</p><div>raw</div>"),
        ("| a |\n| - |\n| 1 |", "<table><thead><tr><th>a<tbody><tr><td>1</table>"),
        ("    a  <b\n    c", "<pre><code>a  &lt;b\nc\n</code></pre>"),
    ],
)
def test_markdown_becomes_the_least_html_that_means_the_same(text, html):
    assert Document(text).html() == html


def test_links_defined_at_the_end_are_known_in_every_part():
    document = Document("See [one]. And [two].\n\nMore.\n\n[one]: /1\n[two]: /2\n")
    assert document.html(0, 1) == "<p>See <a href=/1>one</a>."
    assert document.html(1, 2) == "<p>And <a href=/2>two</a>."


def test_compression_is_the_best_of_many_and_can_be_undone():
    text = b"<title>Fog</title><p>The first thing I learned is that fog has a sound. " * 3
    import brotli

    assert decompress(compress(text)) == text
    assert len(compress(text)) <= len(brotli.compress(text))
    with pytest.raises(ValueError, match="not a brotli stream"):
        decompress(b"\xff\xff\xff")


def test_a_post_that_fits_is_one_page():
    post = Post("A <b>", date(2026, 1, 1), "a", "Text & more.")
    page = made([post])["/a"]
    assert page.text == START + b"<title>A &lt;b&gt;</title><h1>A &lt;b&gt;</h1><p>Text &amp; more."
    assert page.characters == len(post.text)


@pytest.mark.parametrize("size", [200, 250, 330])
def test_a_post_too_long_becomes_linked_pages_that_fit_and_lose_nothing(size):
    (post,) = (post for post in read_posts(POSTS) if post.slug == "night-bus")
    pages = {path: page for path, page in made([post], size, author="x", url="http://x").items() if page.source}
    assert len(pages) > 1
    assert all(len(page.body) <= size for page in pages.values())
    path, words, seen = "/night-bus", [], []
    while path:
        shown = Text(pages[path])
        seen.append(path)
        title = 2 * len(post.title.split())
        words += [word for word in shown.words[title:] if word not in ("more", "back")]
        forward = [link for link in shown.links if link not in seen]
        assert len(shown.links) - len(forward) == (len(seen) > 1)
        path = forward[0] if forward else None
    assert seen == list(pages)
    assert words == [word for word in post.text.split() if word not in ("more", "back")]


def test_text_that_cannot_be_cut_is_refused_with_file_line_and_bytes_over(blog, post):
    wild = "".join(chr(0x4E00 + n * 37 % 20000) for n in range(300))
    folder = blog({"a.md": post("A", f"Fine.\n\n{wild}\n")})
    with pytest.raises(BlogError, match=r"a\.md:7: .* cannot be cut and is \d+ bytes over"):
        Blog.read(folder, within(300))


def test_the_index_lists_titles_and_dates_newest_first():
    index = made(read_posts(POSTS), 1000, title="Ten")["/"].text.decode()
    assert index.startswith(
        f"{START.decode()}<title>Ten</title><h1>Ten</h1><ul><li>2026-05-17 <a href=/letters-to-the-sea>Letters to"
    )
    assert index.endswith("<li>2026-01-04 <a href=/the-sound-of-fog>The sound of fog</a></ul>")


def test_an_index_too_long_goes_on_at_older_pages():
    posts = read_posts(POSTS)
    pages = made(posts, 210)
    links, path = [], "/"
    while path:
        assert len(pages[path].body) <= 210
        here = Text(pages[path]).links
        links += [link for link in here if not link[1:].isdigit()]
        path = next((link for link in here if link[1:].isdigit()), None)
    assert links == [f"/{post.slug}" for post in posts]


def test_the_feed_is_atom_with_as_many_posts_as_fit():
    posts = read_posts(POSTS)
    pages = made(posts, 330, title="Ten & more", url="http://example.org")
    assert len(pages["/feed"].body) <= 330
    feed = feedparser.parse(pages["/feed"].text)
    assert not feed.bozo
    assert feed.version == "atom10"
    assert feed.feed.title == "Ten & more"
    assert feed.feed.id == "http://example.org/"
    assert 5 <= len(feed.entries) <= 10
    for entry, post in zip(feed.entries, posts, strict=False):
        assert (entry.title, entry.link) == (post.title, f"http://example.org/{post.slug}")
        assert entry.updated == f"{post.date}T00:00:00Z"


@pytest.mark.parametrize("encodings", [("br",), ("gzip",), ("plain",), ("gzip", "br"), ("plain", "gzip", "br")])
def test_each_page_is_there_in_each_encoding_that_it_fits_in(encodings):
    """Posts are cut so that they fit in the smallest; what is live cannot be gzip, whose checksum stands behind it."""
    posts = read_posts(POSTS)
    pages = Blog.made(Settings(encodings=encodings, microblog=True), posts, within(450)).pages
    smallest = next(encoding for encoding in ("br", "gzip", "plain") if encoding in encodings)
    found = {page.key: page for page in pages}
    assert len(found) == len(pages)
    decode = {"br": decompress, "gzip": gzip.decompress, "plain": bytes}
    for page in pages:
        assert decode[page.encoding](page.body) == page.plain
        assert len(page.body) <= 450
        if page.path == "/now":
            assert (page.key, page.encoding) == ("/now", "br" if "br" in encodings else "plain")
        elif page.also:
            assert found[page.path].text == page.text
        else:
            assert page.encoding == smallest
            also = {other.encoding for other in pages if other.path == page.path and other.also}
            assert also == {one for one in encodings if one != smallest and len(encode(page.plain, one)) <= 450}


def test_a_template_and_a_style_sheet_of_ones_own(blog, post):
    folder = blog({"a.md": post("A", "Text.")}, 'template = "t.html"\nstyle = "s.css"')
    (folder / "t.html").write_text("<title>$title</title><link rel=stylesheet href=/style><i>$date</i>$body$links$$\n")
    (folder / "s.css").write_text("p{color:red}\n")
    pages = {page.path: page for page in Blog.read(folder, within(1000)).pages}
    assert pages["/a"].text == b"<title>A</title><link rel=stylesheet href=/style><i>2026-01-02</i><p>Text.$"
    assert (pages["/style"].text, pages["/style"].kind) == (b"p{color:red}", "text/css")


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("$body $author", "'author' is nothing that a template has"),
        ("$title", "without \\$body"),
        ("$body $", "Invalid"),
    ],
)
def test_a_template_that_cannot_be_filled_is_refused(blog, post, template, reason):
    folder = blog({"a.md": post()}, 'template = "t.html"')
    (folder / "t.html").write_text(template)
    with pytest.raises(BlogError, match=rf"t\.html: .*{reason}"):
        Blog.read(folder, within(1000))


def test_a_style_sheet_that_does_not_fit_is_refused_with_bytes_over(blog, post):
    folder = blog({"a.md": post()}, 'style = "s.css"')
    (folder / "s.css").write_text("".join(f".c{n * 7919 % 977}{{top:{n}px}}" for n in range(200)))
    with pytest.raises(BlogError, match=r"s\.css: /style is \d+ bytes over"):
        Blog.read(folder, within(300))
