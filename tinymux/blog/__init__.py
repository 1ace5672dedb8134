"""The blog: posts to pages to images to tinies, and a web server that knows who has what."""

from __future__ import annotations

from tinymux.blog.pages import Blog, Page
from tinymux.blog.posts import Post
from tinymux.blog.publisher import Plan, Publisher
from tinymux.blog.settings import Settings

__all__ = ["Blog", "Page", "Plan", "Post", "Publisher", "Settings"]
