"""Posts and settings: what is read, and what is refused with file and line."""

from __future__ import annotations

from datetime import date

import pytest

from tinymux.blog.posts import read_post, read_posts, slug_of
from tinymux.blog.settings import read_settings
from tinymux.errors import BlogError


def test_a_post_is_read_with_its_front_matter(blog, post):
    folder = blog({"a.md": post('It\'s "late"', "One.\n\nTwo.", replicas=3)})
    (read,) = read_posts(folder / "posts")
    assert (read.title, read.date, read.slug, read.replicas) == ('It\'s "late"', date(2026, 1, 2), "its-late", 3)
    assert read.text == "One.\n\nTwo."
    assert read.line == 6


def test_posts_come_newest_first_and_other_files_are_left_alone(blog, post):
    folder = blog({"a.md": post("A", date="2026-01-01"), "b.md": post("B", date="2026-02-01"), "notes.txt": "x"})
    assert [read.title for read in read_posts(folder / "posts")] == ["B", "A"]


def test_windows_line_ends_and_a_byte_order_mark_are_fine(blog, post):
    folder = blog({"a.md": b"\xef\xbb\xbf" + post().replace("\n", "\r\n").encode()})
    assert read_post(folder / "posts" / "a.md").text == "Some text."


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        ("Just text", 1, "no front matter"),
        ("---\ntitle: A\n", 2, "does not end"),
        ("---\ntitle: A\n---\nText", 1, "has no date"),
        ("---\ndate: 2026-01-01\n---\nText", 1, "has no title"),
        ("---\ntitle: A\ndate: yesterday\n---\nText", 3, "'yesterday' is no date"),
        ("---\ntitle: A\ndate: 2026-02-30\n---\nText", 3, "is no date"),
        ("---\ntitle: A\ndate: 2026-01-01\ntags: x\n---\nText", 4, "unknown key 'tags'"),
        ("---\ntitle: A\ntitle: B\n---\nText", 3, "title stands twice"),
        ("---\ntitle: A\nwhat\n---\nText", 3, "no 'key: value'"),
        ("---\ntitle: A\ndate: 2026-01-01\nslug: Hello World\n---\nText", 4, "is no slug"),
        ("---\ntitle: A\ndate: 2026-01-01\nslug: feed\n---\nText", 4, "the blog's own"),
        ("---\ntitle: 日本\ndate: 2026-01-01\n---\nText", 2, "is no slug"),
        ("---\ntitle: A\ndate: 2026-01-01\nreplicas: 0\n---\nText", 4, "replicas is a number"),
        ("---\ntitle: A\ndate: 2026-01-01\nreplicas: many\n---\nText", 4, "replicas is a number"),
        ("---\ntitle: A\ndate: 2026-01-01\n---\n\n", 5, "has no text"),
        (b"---\ntitle: A\ndate: 2026-01-01\n---\nFine\ncaf\xe9\n", 6, "(0xe9) is not UTF-8"),
        (b"---\ntitle: A\ndate: 2026-01-01\n---\na\x00b\n", 5, "control character"),
    ],
)
def test_a_bad_post_is_refused_with_file_and_line(blog, content, line, reason):
    folder = blog({"bad.md": content})
    with pytest.raises(BlogError) as error:
        read_posts(folder / "posts")
    assert str(error.value).startswith(f"{folder / 'posts' / 'bad.md'}:{line}: ")
    assert reason in str(error.value)


def test_a_slug_twice_is_refused_with_both_files(blog, post):
    folder = blog({"a.md": post("Same"), "b.md": post("Same!")})
    with pytest.raises(BlogError, match=r"b\.md:1: the slug 'same' is that of .*a\.md too"):
        read_posts(folder / "posts")


def test_no_posts_or_no_folder_is_said(blog, tmp_path):
    with pytest.raises(BlogError, match="no posts in it"):
        read_posts(blog({}) / "posts")
    with pytest.raises(BlogError, match="cannot be read"):
        read_posts(tmp_path / "nowhere")


def test_slugs_come_from_titles():
    assert slug_of("It's 5 o’clock -- somewhere!") == "its-5-oclock-somewhere"
    assert slug_of("日本") == ""


def test_settings_have_defaults_and_are_checked(blog):
    assert read_settings(blog({})).replicas == 1
    assert read_settings(blog({}, 'title = "T"\nurl = "https://example.org/"')).url == "https://example.org"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("title = 3", ":1: title is a string"),
        ('\nreplicas = "x"', ":2: replicas is a number"),
        ("replicas = true", ":1: replicas is a number"),
        ("index_replicas = 0", ":1: index_replicas is from 1 to"),
        ('colour = "red"', ":1: unknown key 'colour'"),
        ('encodings = "br"', ":1: encodings is a list of some of br, gzip, plain"),
        ('encodings = ["br", "zip"]', ":1: encodings is a list"),
        ('encodings = ["br", "br"]', ":1: encodings is a list"),
        ("encodings = []", ":1: encodings is a list"),
        ('url = "example.org"', ":1: 'example.org' is no address"),
        ("title = ", "Invalid value"),
    ],
)
def test_bad_settings_are_refused_with_file_and_line(blog, text, reason):
    with pytest.raises(BlogError, match=r"blog\.toml") as error:
        read_settings(blog({}, text))
    assert reason in str(error.value)


def test_credentials_that_others_can_read_are_refused(blog):
    folder = blog({}, 'credentials = "who"')
    settings = read_settings(folder)
    with pytest.raises(BlogError, match="cannot be read"):
        settings.user()
    (folder / "who").write_text("ann:secret\n")
    (folder / "who").chmod(0o644)
    with pytest.raises(BlogError, match="chmod 600"):
        settings.user()
    (folder / "who").chmod(0o600)
    assert settings.user() == ("ann", "secret")
    (folder / "who").write_text("ann\n")
    with pytest.raises(BlogError, match="write one line 'user:password'"):
        settings.user()
