"""The adjustments as types: of the keyword arguments, and of the attributes.

Type checkers and editors need them written out; tests compare both classes with the table. Text is
accepted wherever a number is, since values often come from ``os.environ`` or from a PasteDeploy
file.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypedDict

if TYPE_CHECKING:
    from headwaiter._settings.listen import SocketInfo


class AdjustmentKeywords(TypedDict, total=False):
    """The keyword arguments; ``docs/adjustments.md`` describes them."""

    host: str
    port: int | str
    listen: str | Iterable[str]
    ipv4: bool | str
    ipv6: bool | str
    unix_socket: str | os.PathLike[str] | None
    unix_socket_perms: str
    sockets: Iterable[socket.socket]
    backlog: int | str
    reuse_port: bool | str
    connection_limit: int | str
    ident: str | None
    server_name: str
    url_scheme: str
    url_prefix: str
    threads: int | str
    channel_request_lookahead: int | str
    processes: int | str
    drain_delay: float | str
    max_requests: int | str
    max_requests_jitter: int | str
    max_rss: int | str
    max_lifetime: float | str
    preload: bool | str
    pid_file: str | os.PathLike[str] | None
    control: str | os.PathLike[str] | None
    user: str | int | None
    group: str | int | None
    umask: str
    dev: bool | str
    reload: bool | str
    reload_include: str | Iterable[str]
    reload_exclude: str | Iterable[str]
    trusted_proxy: str | Iterable[str] | None
    trusted_proxy_count: int | str
    trusted_proxy_headers: str | Iterable[str]
    log_untrusted_proxy_headers: bool | str
    clear_untrusted_proxy_headers: bool | str
    max_request_header_size: int | str
    max_request_header_fields: int | str
    max_request_body_size: int | str
    inbuf_overflow: int | str
    inbuf_total: int | str
    outbuf_overflow: int | str
    outbuf_total: int | str
    outbuf_high_watermark: int | str
    spool_dir: str | os.PathLike[str] | None
    spool_limit: int | str
    spool_files: int | str
    spool_memory: int | str
    queue_limit: int | str
    header_timeout: float | str
    body_timeout: float | str
    send_timeout: float | str
    channel_timeout: float | str
    queue_timeout: float | str
    shutdown_timeout: float | str
    abandoned_requests: Literal["drop-safe", "drop", "run"]
    health_path: str | None
    health_max_wait: float | str
    expose_tracebacks: bool | str
    log_socket_errors: bool | str
    stuck_after: float | str
    stuck_replacements: int | str
    log_level: int | str | None
    log_config: str | os.PathLike[str] | Mapping[str, Any] | None
    access_log: str | os.PathLike[str] | None
    access_log_format: str
    admin: str | os.PathLike[str] | None
    admin_public: bool | str
    server_timing: bool | str
    slow_request_log: float | str
    wait_profile: bool | str
    gc_pauses: bool | str
    asyncore_loop_timeout: int | str
    asyncore_use_poll: bool | str
    cleanup_interval: int | str
    recv_bytes: int | str
    send_bytes: int | str


class ServerKeywords(AdjustmentKeywords, total=False):
    """The adjustments, and the TOML file with more of them."""

    config: str | os.PathLike[str] | None


class AdjustmentValues:
    """The values in force."""

    host: str
    port: int
    listen: list[SocketInfo]
    ipv4: bool
    ipv6: bool
    unix_socket: str | None
    unix_socket_perms: int
    sockets: list[socket.socket]
    backlog: int
    reuse_port: bool
    connection_limit: int
    ident: str | None
    server_name: str
    url_scheme: str
    url_prefix: str
    threads: int | str
    channel_request_lookahead: int
    processes: int | str
    drain_delay: float
    max_requests: int
    max_requests_jitter: int
    max_rss: int
    max_lifetime: float
    preload: bool
    pid_file: str | None
    control: str | None
    user: str | None
    group: str | None
    umask: int | None
    dev: bool
    reload: bool
    reload_include: list[str]
    reload_exclude: list[str]
    trusted_proxy: str | None
    trusted_proxy_count: int
    trusted_proxy_headers: set[str]
    log_untrusted_proxy_headers: bool
    clear_untrusted_proxy_headers: bool
    max_request_header_size: int
    max_request_header_fields: int
    max_request_body_size: int
    inbuf_overflow: int
    inbuf_total: int
    outbuf_overflow: int
    outbuf_total: int
    outbuf_high_watermark: int
    spool_dir: str
    spool_limit: int
    spool_files: int
    spool_memory: int
    queue_limit: int
    header_timeout: float
    body_timeout: float
    send_timeout: float
    channel_timeout: float
    queue_timeout: float
    shutdown_timeout: float
    abandoned_requests: str
    health_path: str | None
    health_max_wait: float
    expose_tracebacks: bool
    log_socket_errors: bool
    stuck_after: float
    stuck_replacements: int
    log_level: str | None
    log_config: str | dict[str, Any] | None
    access_log: str | None
    access_log_format: str
    admin: str | None
    admin_public: bool
    server_timing: bool
    slow_request_log: float
    wait_profile: bool
    gc_pauses: bool
    asyncore_loop_timeout: int
    asyncore_use_poll: bool
    cleanup_interval: int
    recv_bytes: int
    send_bytes: int
