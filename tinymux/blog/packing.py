"""Pages of a blog on one tiny: what it is asked for each by, and the image that it is flashed with."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha256

from tinymux.blog.pages import NOT_FOUND, Page
from tinymux.errors import ImageError
from tinymux.images import Image
from tinymux.images import blog as images

# One character tells a tiny's pages apart; each byte of a request holds the lane, so the first page has none at all. It
# is also what the tiny answers to anything else, unless it has the page for what is not found: only nginx asks it.
NAMES = ("/", *(f"/{character}" for character in string.ascii_lowercase))
NOWHERE = "/~"  # what no page has: the answer is the page of status 404


@dataclass(frozen=True)
class Bundle:
    """Pages that share a tiny, the same on each of its replicas."""

    pages: tuple[Page, ...]

    @property
    def replicas(self) -> int:
        """Tinies that shall have it."""
        return max(page.replicas for page in self.pages)

    @property
    def keys(self) -> tuple[str, ...]:
        """Its pages by their keys."""
        return tuple(page.key for page in self.pages)

    def asks(self) -> dict[str, str]:
        """For each page's key, what the tiny is asked for."""
        named = [page for page in self.pages if page.key != NOT_FOUND]
        asks = {page.key: name for page, name in zip(named, NAMES, strict=False)}
        return asks if len(named) == len(self.pages) else {**asks, NOT_FOUND: NOWHERE}

    def image(self) -> Image:
        """What is flashed."""
        return images.blog_image(self._encoded(), f"blog {self.keys[0]}")

    @cached_property
    def digest(self) -> str:
        """Tells images apart."""
        return sha256(self.image().data).hexdigest()

    @property
    def room(self) -> int:
        """Bytes of flash left free; less than 0: over, or not possible together."""
        if len(self.pages) > len(NAMES):
            return -1
        try:
            return images.blog_room(self._encoded())
        except ImageError:  # two live pages, or places that the tiny could not tell from an END
            return -1

    def _encoded(self) -> list[images.Page]:
        asks = self.asks()
        still = [page.key for page in self.pages if page.after is None]
        rest = NOT_FOUND if NOT_FOUND in asks else still[0] if still else None
        return [_encoded(page, "" if page.key == rest else asks[page.key]) for page in self.pages]


def _encoded(page: Page, path: str) -> images.Page:
    coding = "" if page.encoding == "plain" else page.encoding
    if page.after is not None:
        live = images.live_brotli if coding else images.live_plain
        body, tail = live(page.text, page.after)
        return images.Page(path, body, coding, tail=tail)
    return images.Page(path, page.body, coding, status=404 if page.path == NOT_FOUND else 200)


@lru_cache(maxsize=4096)
def room(page: Page) -> int:
    """Bytes that a page leaves free on a tiny of its own; less than 0: over."""
    return Bundle((page,)).room


def pack(pages: Sequence[Page], before: Sequence[Sequence[str]] = ()) -> tuple[Bundle, ...]:
    """Put pages together on as few tinies as a simple rule finds: the largest first, each where it fits first.

    Only pages with as many replicas share a tiny. `before`: keys that shared one until now; they go on to, where they
    still fit, so that the change of one post does not move all others.
    """
    left = {page.key: page for page in pages}
    bundles: list[list[Page]] = []
    for keys in before:
        together: list[Page] = []
        for page in [left[key] for key in keys if key in left]:
            if _fit([*together, page]):
                together.append(left.pop(page.key))
        if together:
            bundles.append(together)
    for page in sorted(left.values(), key=room):
        place = next((bundle for bundle in bundles if _fit([*bundle, page])), None)
        if place is None:
            bundles.append([page])
        else:
            place.append(page)
    return tuple(Bundle(tuple(bundle)) for bundle in bundles)


def _fit(pages: Sequence[Page]) -> bool:
    if any(page.replicas != pages[0].replicas for page in pages):
        return False
    # Cheap first: a page takes no less in company than its body.
    if sum(len(page.body) for page in pages[1:]) > max(room(pages[0]), 0):
        return False
    return len(pages) == 1 or Bundle(tuple(pages)).room >= 0
