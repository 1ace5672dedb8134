"""nginx's configuration: one server in front, all tinies behind it, the smallest request between them."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address
from textwrap import dedent, indent

from tinymux.web.routes import Routes

# A tiny answers each connection for itself, so they may wait in line at its interface; see network.QUEUE_LENGTH.
CONNECTIONS_PER_TINY = 32
# Clients that wait, or say nothing: they hold a connection until one of the timeouts below.
IDLE_CONNECTIONS = 512

# Each byte of a request holds the lane for some 40 us, so nothing is sent but "GET / HTTP/1.0" and an empty line:
# no headers of the client's, none of nginx's own, no body.
# Connecting takes one round trip of some 10 ms; 4 s leave room for two lost SYNs (sent again after 1 s and 3 s).
TEMPLATE = """\
# Written by tinymux for as long as it runs.
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr warn;
{user}
events {{
    worker_connections {connections};
}}

http {{
    log_format upstream '$status $upstream_addr';
    access_log /dev/stdout upstream;
    server_tokens off;
    client_header_timeout 10s;
    client_body_timeout 10s;
    reset_timedout_connection on;
    client_body_temp_path temp;
    proxy_temp_path temp;
    fastcgi_temp_path temp;
    uwsgi_temp_path temp;
    scgi_temp_path temp;

{site}
}}
"""

# To each tiny: a request line alone. To a client: whose answer it was.
PROXY = """\
            proxy_method GET;
            proxy_http_version 1.0;
            proxy_pass_request_headers off;
            proxy_pass_request_body off;
            proxy_set_header Host "";
            proxy_set_header Connection "";
            proxy_set_header Content-Length "";

            proxy_connect_timeout 4s;
            proxy_send_timeout 4s;
            proxy_read_timeout 4s;
            proxy_next_upstream error timeout invalid_header;
            proxy_next_upstream_tries 3;
            proxy_next_upstream_timeout 12s;

            proxy_buffer_size 2k;
            proxy_buffers 2 2k;
            proxy_busy_buffers_size 2k;
            proxy_max_temp_file_size 0;
"""

# All tinies are alike.
ALIKE = """\
    upstream tinies {{
{servers}
    }}

    server {{
        listen {listen};
        client_max_body_size 1k;

        location = /favicon.ico {{
            return 204;
        }}

        location / {{
            if ($request_method !~ ^(GET|HEAD)$) {{
                return 405;
            }}
            set $args "";
            rewrite ^ / break;
            proxy_pass http://tinies;
{proxy}            add_header X-Tiny $upstream_addr always;
        }}
    }}"""

# Each path has tinies of its own; see routes.py. 418 and 419 only lead within nginx.
ROUTED = """\
{upstreams}
{maps}
    server {{
        listen {listen};
        client_max_body_size 1k;
        set $args "";
        error_page 418 = @plain;
        error_page 419 = @post;
        if ($way = refused) {{
            return 405;
        }}
        if ($way = long) {{
            return 413;
        }}
        if ($way = plain) {{
            return 418;
        }}
        if ($way = posted) {{
            return 419;
        }}
{proxy}
        location = /favicon.ico {{
            return 204;
        }}
{locations}
    }}"""


def configuration(site: Sequence[IPv4Address] | Routes, listen: str, user: str | None = None) -> str:
    """The whole configuration, for tinies that are all alike or for those of some routes.

    `user` is who the workers are, to be named only where the master is root.
    """
    server = f"server {{address}}:80 max_conns={CONNECTIONS_PER_TINY} max_fails=3 fail_timeout=5s;"
    if isinstance(site, Routes):
        tinies: Sequence[IPv4Address] = site.tinies
        text = ROUTED.format(
            upstreams=site.upstreams(server),
            maps=site.maps(),
            listen=listen,
            proxy=indent(dedent(PROXY), " " * 8),
            locations=site.locations(),
        )
    else:
        tinies = site
        servers = "\n".join(f"        {server.format(address=address)}" for address in tinies)
        text = ALIKE.format(servers=servers, listen=listen, proxy=PROXY)
    return TEMPLATE.format(
        user=f"user {user} {user};\n" if user else "",
        # Each request holds one connection to the client and one to a tiny.
        connections=2 * CONNECTIONS_PER_TINY * len(tinies) + IDLE_CONNECTIONS,
        site=text,
    )
