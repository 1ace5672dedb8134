"""A person with a browser: reads the index, follows it to a post and back, posts a microblog entry and sees it.

Chromium through nginx to simulated tinies. With TINYMUX_SCREENSHOTS=docs in the environment, what it shows goes there.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
from blog_site import published
from chromium import Chromium

pytestmark = pytest.mark.skipif(not shutil.which("chromium"), reason="needs Debian's chromium")
POSTS = Path(__file__).parent / "posts"
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("blog")
    (folder / "posts").mkdir()
    for name in ("the-sound-of-fog", "night-bus", "learning-to-whistle", "bread-on-sunday", "the-smallest-garden"):
        shutil.copy(POSTS / f"{name}.md", folder / "posts")
    (folder / "blog.toml").write_text('title = "Tiny stories"\nmicroblog = true\ncredentials = "who"\n')
    (folder / "who").write_text("ann:s3cret\n")
    (folder / "who").chmod(0o600)
    with published(folder) as site:
        yield site


@pytest.fixture
def browser(tmp_path):
    with Chromium(tmp_path, login=("ann", "s3cret")) as browser:
        yield browser


@pytest.fixture
def screenshot(browser, tmp_path):
    """Keeps what is on the screen under a name, and looks that it is a picture of more than one colour."""

    def keep(name):
        path = Path(os.environ.get("TINYMUX_SCREENSHOTS", tmp_path)) / f"blog-{name}.png"
        browser.screenshot(path)
        assert path.read_bytes().startswith(PNG)
        assert path.stat().st_size > 4000

    return keep


def test_the_index_leads_to_a_post_and_the_post_goes_on(site, browser, screenshot):
    browser.open(site.url)
    assert browser.run("document.title") == "Tiny stories"
    links = browser.run("[...document.links].map(link => link.textContent)")
    assert "The sound of fog" in links
    screenshot("index")
    browser.follow("=Night bus")
    assert browser.run("[location.pathname, document.title]") == ["/night-bus", "Night bus"]
    assert browser.run("document.querySelector('h1').textContent") == "Night bus"
    assert "six years" in browser.run("document.body.innerText")
    assert browser.run("document.characterSet") == "UTF-8"
    screenshot("post")
    browser.follow("=more")
    assert browser.run("location.pathname") == "/night-bus/2"
    browser.follow("=back")
    assert browser.run("location.pathname") == "/night-bus"


def test_an_entry_is_posted_by_hand_and_seen(site, browser, screenshot):
    browser.open(site.url)
    browser.follow("=now")
    before = shown(browser)
    browser.click("input[name=t]")
    browser.type("Fog again today.")
    assert browser.run("document.querySelector('input').value") == "Fog again today."
    browser.follow("button")
    assert browser.logins == 1, "it asks who that is"
    count, entry = shown(browser)
    assert entry == "Fog again today."
    assert count == before[0] + 1
    screenshot("now")
    browser.open(site.url)
    browser.follow("=now")
    assert shown(browser) == (count + 1, "Fog again today.")


def test_who_does_not_know_the_password_posts_nothing(site, tmp_path):
    with Chromium(tmp_path, login=("ann", "guess")) as browser:
        browser.open(f"{site.url}now")
        _, entry = shown(browser)
        browser.click("input[name=t]")
        browser.type("Not me")
        browser.follow("button")
        assert "401" in browser.run("document.title")
        browser.open(f"{site.url}now")
        assert shown(browser)[1] == entry


def shown(browser):
    """Count and entry of the microblog's page."""
    count, entry = re.fullmatch(
        r"Visit +(\d+) (.{16})", browser.run("document.querySelector('pre').textContent")
    ).groups()
    return int(count), entry.strip()
