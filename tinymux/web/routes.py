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
    cached. encoding: how the tiny's answer is encoded, "br", "gzip" or "plain".
    """

    path: str
    ask: str
    tinies: tuple[IPv4Address, ...]
    kind: str
    version: str = ""
    live: bool = False
    encoding: str = "br"


@dataclass(frozen=True)
class Routes:
    """A whole site. A path has a route for each encoding that there is of it.

    missing: those for every other path. post: the path whose tiny takes POST, from whoever knows user and password
    (`credentials`); without either, nobody may. plain: socket of a server that decodes pages for clients that do not
    take brotli, where there is nothing else. cache_seconds: how long nginx may keep a page.
    """

    routes: tuple[Route, ...]
    missing: tuple[Route, ...] = ()
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
        return (*self.routes, *self.missing)

    @property
    def _posted(self) -> Route | None:
        return next((route for route in self.routes if self.credentials and route.path == self.post), None)

    @property
    def _ways(self) -> tuple[_Ways, ...]:
        """Each path once, with all its routes."""
        paths = dict.fromkeys(route.path for route in self.routes)
        return tuple(_Ways(tuple(route for route in self.routes if route.path == path)) for path in paths)

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
        """$way: how a request goes on; where a path has more routes than one, which is taken."""
        missing = _Ways(self.missing)
        get = missing.get(bool(self.plain))
        gets = {ways.routes[0].path: ways.get(bool(self.plain)) for ways in self._ways}
        texts = [ways.map(name) for name, ways in self._named(missing) if ways.several]
        # Whether a client takes brotli is of no matter where it posts. A named location is past client_max_body_size.
        # What a form sends of a microblog entry has two digits of bytes.
        posted = (
            f'        "~^POST {self._posted.path} [0-9]{{1,2}}$" posted;\n        "~^POST {self._posted.path} " long;\n'
            if self._posted
            else ""
        )
        lines = [f"        default {get};", *(f"        {path} {way};" for path, way in gets.items() if way != get)]
        return "\n".join(
            [
                ACCEPTED,
                *texts,
                "    map $uri $get {",
                *lines,
                "    }",
                '    map "$request_method $uri $content_length" $way {',
                f'        default refused;\n        "~^(GET|HEAD) " $get;\n{posted}    }}',
                *(["    proxy_cache_path cache keys_zone=pages:1m max_size=16m;"] if self.cache_seconds else []),
                *([GUNZIP] if any(route.encoding == "gzip" for route in self._all) else []),
                "",
            ]
        )

    def _named(self, missing: _Ways) -> Iterator[tuple[str, _Ways]]:
        """Each path's routes, and what nginx's variables for them end with."""
        yield from ((str(number), ways) for number, ways in enumerate(self._ways))
        yield "missing", missing

    def locations(self) -> str:
        """All locations, within a server that has the proxy's settings already."""
        return "\n".join(self._locations())

    def _locations(self) -> Iterator[str]:
        for name, ways in self._named(_Ways(self.missing)):
            if name != "missing":
                where = f"= {ways.routes[0].path} "
            elif ways.routes:
                where = "/ "
            else:
                yield "        location / {\n            return 404;\n        }"
                continue
            yield f"        location {where}{{\n{self._proxied(name, ways)}        }}"
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

    def _proxied(self, name: str, ways: _Ways) -> str:
        route = ways.routes[0]
        version = f"$version_{name}" if ways.several else route.version
        cached = (
            f"            proxy_cache pages;\n            proxy_cache_key '{route.path} {version}';\n"
            f"            proxy_cache_valid 200 {self.cache_seconds}s;\n            proxy_cache_lock on;\n"
            if self.cache_seconds and not route.live
            else ""
        )
        if ways.several:
            to = f"            proxy_pass http://$tinies_{name};\n"  # "as is": nothing of the client's path is added
        elif name == "missing":
            to = f"            rewrite ^ {route.ask} break;\n            proxy_pass http://{_name(route.tinies)};\n"
        else:
            to = f"            proxy_pass http://{_name(route.tinies)}{route.ask};\n"
        return f"{to}{cached}{_headers(route)}"


# What a client takes (RFC 9110 section 12.5.3); a weight of 0 is a refusal.
ACCEPTED = """\
    map $http_accept_encoding $accepted {
        default other;
        "~*\\bbr\\s*;\\s*q=0(\\.0*)?\\s*(,|$)" other;
        ~*\\bbr\\b br;
    }
    map $accepted $coded {
        default plain;
        br tiny;
    }"""

# A page in gzip for a client that does not take it: nginx asks its own look at the request, for HTTP/1.0, too.
GUNZIP = "    gunzip on;\n    gzip_http_version 1.0;\n    gzip_proxied any;"


@dataclass(frozen=True)
class _Ways:
    """The routes of one path: the same page in several encodings, one of each at most."""

    routes: tuple[Route, ...]

    @property
    def several(self) -> bool:
        return len(self.routes) > 1

    def _best(self, *encodings: str) -> Route | None:
        found = {route.encoding: route for route in self.routes}
        return next((found[encoding] for encoding in encodings if encoding in found), None)

    def get(self, helped: bool) -> str:
        """What $way is for GET: whoever takes no brotli is helped where there is nothing else."""
        return "$coded" if helped and self.routes and not self._best("gzip", "plain") else "tiny"

    def map(self, name: str) -> str:
        """Which tinies, and of which version, for what a client takes."""
        brotli, other = self._best("br", "gzip", "plain"), self._best("gzip", "plain", "br")
        assert brotli
        assert other
        return (
            f"    map $accepted $tinies_{name} {{\n        default {_name(other.tinies)}{other.ask};\n"
            f"        br {_name(brotli.tinies)}{brotli.ask};\n    }}\n"
            f"    map $accepted $version_{name} {{\n        default '{other.encoding} {other.version}';\n"
            f"        br '{brotli.encoding} {brotli.version}';\n    }}"
        )


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
