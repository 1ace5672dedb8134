"""Who answers which path of a site whose tinies hold different pages, and nginx's locations for that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv4Address


@dataclass(frozen=True)
class Route:
    """One path of the site: what a tiny is asked for, which tinies have it, and as what the answer is sent on.

    version: changes with the content, so that nothing older comes out of a cache. live: changes by itself and is never
    cached.
    """

    path: str
    ask: str
    tinies: tuple[IPv4Address, ...]
    kind: str
    version: str = ""
    live: bool = False


@dataclass(frozen=True)
class Routes:
    """A whole site.

    missing: for every other path. post: the path whose tiny takes POST, from whoever knows user and password
    (`credentials`); without either, nobody may. plain: socket of a server that decodes pages for clients that do not
    take brotli. cache_seconds: how long nginx may keep a page.
    """

    routes: tuple[Route, ...]
    missing: Route | None = None
    post: str = ""
    credentials: tuple[str, str] | None = None
    plain: str = ""
    cache_seconds: int = 0

    def htpasswd(self, salt: bytes) -> str:
        """The file for auth_basic_user_file: a salted hash, not the password."""
        from base64 import b64encode
        from hashlib import sha1

        if not self.credentials:
            return ""
        user, password = self.credentials
        # nginx knows no slower hash by itself (ngx_crypt.c); crypt(3) has, but differs from system to system.
        digest = sha1(password.encode() + salt, usedforsecurity=False).digest()
        return f"{user}:{{SSHA}}{b64encode(digest + salt).decode()}\n"

    @property
    def tinies(self) -> tuple[IPv4Address, ...]:
        """All tinies of the site."""
        return tuple(sorted({tiny for route in self._all for tiny in route.tinies}))

    @property
    def _all(self) -> tuple[Route, ...]:
        return (*self.routes, self.missing) if self.missing else self.routes

    @property
    def _posted(self) -> Route | None:
        return next((route for route in self.routes if self.credentials and route.path == self.post), None)

    # --- as nginx wants it ---

    def upstreams(self, server: str) -> str:
        """One upstream for each set of tinies; `server` is a server's line with {address} in it."""
        groups = dict.fromkeys(route.tinies for route in self._all)
        return "\n".join(
            f"    upstream {_name(tinies)} {{\n"
            + "".join(f"        {server.format(address=address)}\n" for address in tinies)
            + "    }"
            for tinies in groups
        )

    def maps(self) -> str:
        """$way: how a request goes on. Whether a client takes brotli is of no matter where it posts."""
        # A named location is past client_max_body_size. What a form sends of a microblog entry has two digits of bytes.
        posted = (
            f'        "~^POST {self._posted.path} [0-9]{{1,2}}$" posted;\n        "~^POST {self._posted.path} " long;\n'
            if self._posted
            else ""
        )
        coded = "    map $http_accept_encoding $coded {\n        default plain;\n        ~*\\bbr\\b br;\n    }\n"
        get = "$coded" if self.plain else "br"
        way = f'        default refused;\n        "~^(GET|HEAD) " {get};\n{posted}'
        return (
            (coded if self.plain else "")
            + f'    map "$request_method $uri $content_length" $way {{\n{way}    }}\n'
            + ("    proxy_cache_path cache keys_zone=pages:1m max_size=16m;\n" if self.cache_seconds else "")
        )

    def locations(self) -> str:
        """All locations, within a server that has the proxy's settings already."""
        return "\n".join(self._locations())

    def _locations(self) -> Iterator[str]:
        for route in self.routes:
            yield f"        location = {route.path} {{\n{self._proxied(route)}        }}"
        if self.missing:
            rewritten = f"            rewrite ^ {self.missing.ask} break;\n"
            yield f"        location / {{\n{rewritten}{self._proxied(self.missing, '')}        }}"
        else:
            yield "        location / {\n            return 404;\n        }"
        if self._posted:
            yield (
                "        location @post {\n"
                '            auth_basic "tinymux";\n'
                "            auth_basic_user_file htpasswd;\n"
                "            proxy_method POST;\n"
                "            proxy_pass_request_body on;\n"
                '            proxy_set_header Host "";\n'
                '            proxy_set_header Connection "";\n'
                "            proxy_set_header Content-Length $content_length;\n"
                f"            rewrite ^ {self._posted.ask} break;\n"
                f"            proxy_pass http://{_name(self._posted.tinies)};\n"
                f"{_headers(self._posted)}"
                "        }"
            )
        if self.plain:
            yield (
                "        location @plain {\n"
                "            proxy_pass_request_headers off;\n"
                f"            proxy_pass http://unix:{self.plain};\n"
                "        }"
            )

    def _proxied(self, route: Route, ask: str | None = None) -> str:
        ask = route.ask if ask is None else ask
        cached = (
            f"            proxy_cache pages;\n            proxy_cache_key '{route.path} {route.version}';\n"
            f"            proxy_cache_valid 200 {self.cache_seconds}s;\n            proxy_cache_lock on;\n"
            if self.cache_seconds and not route.live
            else ""
        )
        return f"            proxy_pass http://{_name(route.tinies)}{ask};\n{cached}{_headers(route)}"


def _headers(route: Route) -> str:
    return (
        "            proxy_hide_header Content-Type;\n"
        f"            add_header Content-Type '{route.kind}' always;\n"
        "            add_header Vary Accept-Encoding always;\n"
        "            add_header X-Tiny $upstream_addr always;\n"
    )


def _name(tinies: tuple[IPv4Address, ...]) -> str:
    """An upstream's name: the same tinies, the same name."""
    return "tinies_" + sha256(" ".join(map(str, tinies)).encode()).hexdigest()[:12]
