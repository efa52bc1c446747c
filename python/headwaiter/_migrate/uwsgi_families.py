"""Names of uWSGI's options by what they are about, for those that ``uwsgi.py`` answers together.

Also which options take no value (``SWITCHES``), and which take one only after ``=``
(``OPTIONAL``). Data only.
"""

from __future__ import annotations

APPS = """
    max-apps vhost vhost-host worker-mount
"""

CACHE = """
    add-cache-item cache cache-blocksize cache-expire-freq cache-no-expire
    cache-report-freed-items cache-store cache-store-sync cache-sync cache-udp-node
    cache-udp-server cache-use-last-modified cache2 check-cache load-file-in-cache
    load-file-in-cache-gzip static-cache-paths static-cache-paths-name
"""

CHEAPER = """
    cheap cheaper-algo-list cheaper-algos-list cheaper-busyness-backlog-alert
    cheaper-busyness-backlog-multiplier cheaper-busyness-backlog-nonzero
    cheaper-busyness-backlog-step cheaper-busyness-max cheaper-busyness-min
    cheaper-busyness-multiplier cheaper-busyness-penalty cheaper-busyness-verbose cheaper-list
    cheaper-rss-limit-hard cheaper-rss-limit-soft die-on-idle idle
"""

COMMANDS = """
    binary-append-data command-mode connect-and-read exit extract iprint no-server print
    print-sym print-symbol
"""

DAEMONS = """
    attach-control-daemon attach-daemon attach-daemon2 daemons-honour-stdin smart-attach-daemon
    smart-attach-daemon2 worker-exec worker-exec2
"""

EMPEROR = """
    early-emperor emperor emperor-broodlord emperor-cap emperor-curse-tolerance
    emperor-extra-ext emperor-extra-extension emperor-freq emperor-graceful-shutdown
    emperor-magic-exec emperor-max-throttle emperor-no-blacklist emperor-nofollow
    emperor-on-demand-dir emperor-on-demand-directory emperor-on-demand-exec
    emperor-on-demand-ext emperor-on-demand-extension emperor-pidfile emperor-procname
    emperor-proxy-socket emperor-required-heartbeat emperor-stats emperor-stats-server
    emperor-throttle emperor-tyrant emperor-tyrant-nofollow emperor-use-clone emperor-wrapper
    emperor-wrapper-fallback emperor-wrapper-override heartbeat imperial-monitor-list
    imperial-monitors-list vassal-cap vassal-set vassal-sos vassal-sos-backlog vassals-cap
    vassals-include vassals-include-before vassals-inherit vassals-inherit-before vassals-set
    vassals-start-hook vassals-stop-hook
"""

EXCEPTIONS = """
    backtrace-depth brutal-reload-on-fd exception-handler harakiri-graceful-signal
    harakiri-graceful-timeout harakiri-no-arh harakiri-queue-threshold
    no-harakiri-after-req-hook no-harakiri-arh no-threads-wait reaper reload-on-exception
    reload-on-exception-repr reload-on-exception-type reload-on-exception-value reload-on-fd
    skip-atexit skip-atexit-teardown use-abort
"""

HOOKS = """
    after-request-call after-request-hook call-as-emperor call-as-emperor1 call-as-emperor2
    call-as-emperor4 call-as-root call-as-user call-as-user-atexit call-as-vassal
    call-as-vassal1 call-as-vassal3 call-asap call-post-app call-pre-app exec-as-emperor
    exec-as-root exec-as-user exec-as-user-atexit exec-as-vassal exec-asap exec-post-app
    exec-pre-app hook-accepting hook-accepting-once hook-accepting1 hook-accepting1-once
    hook-as-emperor hook-as-gateway hook-as-mule hook-as-root hook-as-user hook-as-user-atexit
    hook-as-vassal hook-asap hook-emperor-lost hook-emperor-reload hook-emperor-start
    hook-emperor-stop hook-master-start hook-post-app hook-post-fork hook-pre-app hook-touch
    mount-as-emperor mount-as-root mount-as-vassal mount-asap umount-as-emperor umount-as-root
    umount-as-vassal umount-asap
"""

INTERNALS = """
    allowed-modifiers binary-path binsh cgi-mode check-interval clock clock-list clocks-list
    file-write flock flock-wait flock-wait2 flock2 forkbomb-delay honour-stdin inject-after
    inject-before max-vars mode notify-socket pcre-jit privileged-binary-patch
    privileged-binary-patch-arg profiler remap-modifier skip-zero thread-stack-size
    thread-stacksize threads-stack-size threads-stacksize unprivileged-binary-patch
    unprivileged-binary-patch-arg
"""

JAIL = """
    call-in-jail call-post-jail call-pre-jail cap cgroup cgroup-dir-mode cgroup-opt chroot
    exec-in-jail exec-post-jail exec-pre-jail hook-in-jail hook-post-jail hook-pre-jail jail
    jail-attach jail-ip4 jail-ip6 jail2 jailed jid-file jidfile libjail mount-in-jail
    mount-post-jail mount-pre-jail namespace namespace-keep-mount namespace-net ns ns-net
    pivot-root pivot_root re-fork re-fork-as-root re-fork-post-jail refork refork-as-root
    refork-post-jail setns setns-preopen setns-skip setns-socket setns-socket-skip
    umount-in-jail umount-post-jail umount-pre-jail unshare unshare2
"""

JOBS = """
    cron cron-harakiri cron2 farm ftok lock-engine locks mule mule-harakiri mule-msg-size
    mule-reload-mercy mules persistent-ipcsem py-sharedarea queue queue-blocksize queue-store
    queue-store-sync rbtimer rpc-max sharedarea signal signal-bufsize signal-rbtimer
    signal-timer signals-bufsize spooler spooler-chdir spooler-external spooler-freq
    spooler-frequency spooler-harakiri spooler-import spooler-max-tasks spooler-ordered
    spooler-processes spooler-py-import spooler-pyimport spooler-python-import spooler-quiet
    timer touch-mules-reload touch-spoolers-reload unique-cron
"""

LEGION = """
    auto-weight cron-legion legion legion-attach-daemon legion-cron legion-death
    legion-death-on-lord-error legion-freq legion-join legion-lord legion-mcast legion-node
    legion-node-joined legion-node-left legion-quorum legion-scroll legion-scroll-list-max-size
    legion-scroll-max-size legion-setup legion-skew-tolerance legion-smart-attach-daemon
    legion-smart-attach-daemon2 legion-tolerance legion-unlord multicast multicast-loop
    multicast-ttl snmp snmp-community st start-unsubscribed subscribe subscribe-freq
    subscribe-to subscribe-with-modifier1 subscribe2 subscription-algo subscription-dotsplit
    subscription-notify-socket subscription-tolerance subscriptions-credentials-check
    subscriptions-sign-check subscriptions-sign-check-tolerance subscriptions-sign-skip-uid
    subscriptions-use-credentials udp unique-cron-legion unique-legion-cron
    unsubscribe-on-graceful-reload weight
"""

LIMITS = """
    cpu-affinity drop-after-apps drop-after-init ksm limit-as limit-nproc master-as-root
    mem-collector-freq never-swap prio
"""

LOG = """
    log-4xx log-5xx log-backupname log-big log-date log-drain log-encoder log-filter
    log-format-strftime log-ioerror log-master-bufsize log-master-req-stream log-master-stream
    log-maxsize log-micros log-prefix log-req-encoder log-req-route log-route log-sendfile
    log-socket log-syslog log-truncate log-zero logdate logfile-chmod logfile-chown
    logformat-strftime logger-list loggers-list threaded-logger
"""

LOGIC = """
    blacklist declare-option declare-option2 end-blacklist end-for end-if end-whitelist endfor
    endif for for-glob for-readline for-times get if-dir if-directory if-env if-exists if-file
    if-hostname if-hostname-match if-not-dir if-not-env if-not-exists if-not-file
    if-not-hostname if-not-hostname-match if-not-opt if-not-plugin if-not-reload if-opt
    if-plugin if-reload ifdir ifenv ifexists ifplugin resolve whitelist
"""

METRICS = """
    alarm alarm-backlog alarm-cheap alarm-fd alarm-freq alarm-list alarm-listen-queue alarm-log
    alarm-lq alarm-metric alarm-msg-size alarm-segfault alarms-list backlog-alarm carbon
    carbon-freq carbon-hostname-dots carbon-id carbon-idle-avg carbon-max-retry
    carbon-name-resolve carbon-no-workers carbon-resolve-names carbon-retry-delay carbon-root
    carbon-timeout carbon-use-metrics enable-metrics listen-queue-alarm log-alarm lq-alarm
    metric metric-alarm metric-dir metric-dir-restore metric-threshold metrics-dir
    metrics-dir-restore metrics-no-cores nagios not-alarm-log not-log-alarm ping ping-timeout
    rrdtool rrdtool-freq rrdtool-lib segfault-alarm stats-http stats-min stats-minified
    stats-no-cores stats-no-metrics stats-push stats-pusher-default-freq
    stats-pushers-default-freq
"""

PLUGINS = """
    autoload build-plugin cflags config-py dlopen dot-h loop-list loops-list plugin-dir
    plugin-list plugins-dir plugins-list rsyslog-packet-size rsyslog-split-messages symcall
    symcall-post-fork symcall-register-rpc symcall-use-next
"""

PROTOCOLS = """
    fastcgi-modifier1 fastcgi-modifier2 fastcgi-nph-socket fastcgi-socket puwsgi-socket
    raw-modifier1 raw-modifier2 raw-socket scgi-modifier1 scgi-modifier2 scgi-nph-socket
    scgi-socket suwsgi-socket
"""

PYTHON = """
    no-site pecan post-pymodule-alias pump py py-call-osafterfork py-call-uwsgi-fork-hooks
    py-executable py-program-name py-programname py-sys-executable pymodule-alias pyrun pyshell
    pyshell-oneshot python python-raw python-version python-worker-override reload-os-env
    shared-import shared-py-import shared-pyimport shared-python-import start_response-nodelay
    test web3 wsgi-accept-buffer wsgi-accept-buffers wsgi-env-behavior wsgi-env-behaviour
    wsgi-lite wsgi-strict
"""

ROUTER = """
    fastrouter fastrouter-buffer-size fastrouter-cheap fastrouter-events fastrouter-fallback
    fastrouter-fallback-on-no-key fastrouter-gid fastrouter-gracetime fastrouter-harakiri
    fastrouter-post-buffering fastrouter-post-buffering-dir fastrouter-processes
    fastrouter-quiet fastrouter-resubscribe fastrouter-resubscribe-bind fastrouter-ss
    fastrouter-stats fastrouter-stats-server fastrouter-subscription-fallback-key
    fastrouter-subscription-server fastrouter-subscription-slot fastrouter-timeout fastrouter-to
    fastrouter-uid fastrouter-use-base fastrouter-use-cache fastrouter-use-code-string
    fastrouter-use-pattern fastrouter-use-socket fastrouter-workers fastrouter-zerg
    force-gateway http-auto-gzip http-buffer-size http-cheap http-connect-timeout http-events
    http-fallback http-gid http-gracetime http-harakiri http-manage-expect http-manage-rtsp
    http-manage-source http-modifier2 http-quiet http-resubscribe http-server-name-as-http-host
    http-socket-modifier1 http-socket-modifier2 http-ss http-stats http-stats-server
    http-stud-prefix http-subscription-fallback-key http-subscription-server http-uid
    http-use-base http-use-cache http-use-code-string http-use-pattern http-use-socket http-var
    http-zerg rawrouter rawrouter-buffer-size rawrouter-cheap rawrouter-events
    rawrouter-fallback rawrouter-gracetime rawrouter-harakiri rawrouter-max-retries
    rawrouter-processes rawrouter-quiet rawrouter-ss rawrouter-stats rawrouter-stats-server
    rawrouter-subscription-server rawrouter-subscription-slot rawrouter-timeout rawrouter-to
    rawrouter-use-base rawrouter-use-cache rawrouter-use-code-string rawrouter-use-pattern
    rawrouter-use-socket rawrouter-workers rawrouter-xclient rawrouter-zerg sslrouter
    sslrouter-buffer-size sslrouter-cheap sslrouter-events sslrouter-fallback
    sslrouter-gracetime sslrouter-harakiri sslrouter-max-retries sslrouter-processes
    sslrouter-quiet sslrouter-session-context sslrouter-sni sslrouter-ss sslrouter-stats
    sslrouter-stats-server sslrouter-subscription-server sslrouter-timeout sslrouter-to
    sslrouter-use-base sslrouter-use-cache sslrouter-use-code-string sslrouter-use-pattern
    sslrouter-use-socket sslrouter-workers sslrouter-zerg sslrouter2 zerg zerg-fallback
    zerg-pool zerg-server zergpool
"""

ROUTING = """
    add-header collect-header del-header error-page-403 error-page-404 error-page-500
    error-route error-route-host error-route-if error-route-if-not error-route-label
    error-route-qs error-route-referer error-route-remote-addr error-route-remote-user
    error-route-run error-route-status error-route-uri error-route-user-agent final-route
    final-route-host final-route-if final-route-if-not final-route-label final-route-qs
    final-route-referer final-route-remote-addr final-route-remote-user final-route-run
    final-route-status final-route-uri final-route-user-agent pull-header rem-header
    response-header-collect response-route response-route-host response-route-if
    response-route-if-not response-route-label response-route-qs response-route-referer
    response-route-remote-addr response-route-remote-user response-route-run
    response-route-status response-route-uri response-route-user-agent route route-host route-if
    route-if-not route-label route-qs route-referer route-remote-addr route-remote-user
    route-run route-uri route-user-agent router-list routers-list
"""

SOCKETS = """
    body-read-warning close-on-exec close-on-exec2 fd-safe freebind map-socket no-defer-accept
    no-fd-passing response-headers-limit safe-fd shutdown-sockets so-keepalive socket-rcvbuf
    socket-sndbuf tcp-fast-open tcp-fast-open-client tcp-fastopen tcp-fastopen-client
    upload-progress
"""

STATIC = """
    check-static check-static-docroot file-serve-mode fileserve-mode honour-range mime-file
    mimefile offload-thread offload-threads static-check static-expires static-expires-mtime
    static-expires-path-info static-expires-path-info-mtime static-expires-type
    static-expires-type-mtime static-expires-uri static-expires-uri-mtime static-gzip
    static-gzip-all static-gzip-dir static-gzip-ext static-gzip-prefix static-gzip-suffix
    static-index static-map static-map2 static-safe static-skip-ext
"""

TLS = """
    http-to-https https https-export-cert https-session-context https-socket
    https-socket-modifier1 https-socket-modifier2 https2 sni sni-dir sni-dir-ciphers sni-regexp
    ssl-enable-sslv3 ssl-enable-tlsv1 ssl-enable3 ssl-option ssl-session-timeout
    ssl-session-use-cache ssl-sessions-timeout ssl-sessions-use-cache ssl-socket ssl-tmp-dir
    ssl-verbose ssl-verify-depth
"""

TOUCH = """
    check-mount check-mountpoint fs-brutal-reload fs-reload fs-signal mount-check
    mountpoint-check propagate-touch touch-exec touch-logrotate touch-signal
"""

WAIT = """
    wait-for-dir wait-for-file wait-for-fs wait-for-fs-timeout wait-for-iface
    wait-for-iface-timeout wait-for-interface wait-for-interface-timeout wait-for-mountpoint
    wait-for-socket wait-for-socket-timeout wait-iface wait-iface-timeout wait-interface
    wait-interface-timeout
"""

WEB = """
    chunked-input-limit chunked-input-timeout websocket-max-size websocket-ping-freq
    websocket-pong-tolerance websockets-max-size websockets-ping-freq websockets-pong-tolerance
"""

SWITCHES = """
    abstract-socket alarm-list alarms-list auto-procname autoload cache-no-expire
    cache-report-freed-items cache-use-last-modified carbon-name-resolve carbon-no-workers
    carbon-resolve-names carbon-use-metrics catch-exceptions cflags cgi-mode cheap
    cheaper-algo-list cheaper-algos-list cheaper-busyness-verbose cheaper-list
    check-static-docroot clock-list clocks-list close-on-exec close-on-exec2 command-mode
    config-py daemons-honour-stdin die-on-idle die-on-term disable-logging disable-sendfile
    disable-write-exception dot-h drop-after-apps drop-after-init dump-options early-emperor
    emperor-graceful-shutdown emperor-magic-exec emperor-no-blacklist emperor-nofollow
    emperor-tyrant emperor-tyrant-nofollow enable-metrics enable-proxy-protocol enable-threads
    end-blacklist end-whitelist exit-on-reload fastrouter-cheap fastrouter-fallback-on-no-key
    force-gateway freebind gevent-early-monkey-patch gevent-monkey-patch gevent-wait-for-hub
    harakiri-no-arh harakiri-verbose help honour-range honour-stdin http-auto-chunked
    http-auto-gzip http-cheap http-chunked-input http-manage-rtsp http-manage-source
    http-raw-body http-websockets https-export-cert if-not-reload if-reload ignore-script-name
    ignore-sigpipe ignore-write-errors imperial-monitor-list imperial-monitors-list jailed lazy
    lazy-apps log-4xx log-5xx log-format-strftime log-master log-master-req-stream
    log-master-stream log-micros log-reopen log-truncate log-x-forwarded-for log-zero
    logfile-chown logformat-strftime logger-list loggers-list loop-list loops-list
    manage-script-name master master-as-root memory-report metric-dir-restore
    metrics-dir-restore metrics-no-cores nagios never-swap no-default-app no-defer-accept
    no-fd-passing no-harakiri-after-req-hook no-harakiri-arh no-initgroups no-orphans no-server
    no-site no-threads-wait paste-logger pcre-jit persistent-ipcsem plugin-list plugins-list
    propagate-touch py-call-osafterfork py-call-uwsgi-fork-hooks python-version rawrouter-cheap
    rawrouter-xclient re-fork re-fork-as-root re-fork-post-jail reaper refork refork-as-root
    refork-post-jail reload-on-exception reload-os-env reuse-port router-list routers-list
    rsyslog-split-messages setns-preopen show-config shutdown-sockets single-interpreter
    skip-atexit skip-atexit-teardown skip-zero so-keepalive so-send-timeout so-write-timeout
    socket-send-timeout socket-write-timeout spooler-ordered spooler-quiet ssl-enable-sslv3
    ssl-enable-tlsv1 ssl-enable3 ssl-option ssl-verbose sslrouter-cheap sslrouter-sni
    start-unsubscribed start_response-nodelay static-gzip-all stats-http stats-min
    stats-minified stats-no-cores stats-no-metrics strict subscription-dotsplit
    subscriptions-use-credentials symcall-use-next tcp-fast-open-client tcp-fastopen-client
    tcp-nodelay threaded-logger thunder-lock ugreen unsubscribe-on-graceful-reload usage
    use-abort vacuum version vhost vhost-host write-errors-exception-only wsgi-accept-buffer
    wsgi-accept-buffers wsgi-disable-file-wrapper wsgi-strict zerg-fallback
"""

OPTIONAL = """
    check-cache chmod chmod-socket end-for end-if endfor endif exit fastrouter-use-cache
    fastrouter-use-socket http-enable-proxy-protocol http-keepalive http-manage-expect
    http-use-cache http-use-socket ksm log-date log-prefix log-syslog logdate mule mule-msg-size
    need-app pyshell pyshell-oneshot rawrouter-use-cache rawrouter-use-socket snmp
    ssl-session-use-cache ssl-sessions-use-cache ssl-verify-depth sslrouter-use-cache
    sslrouter-use-socket
"""
