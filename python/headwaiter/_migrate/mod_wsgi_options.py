"""Names of the options of ``mod_wsgi-express`` by what they are about. Data only."""

from __future__ import annotations

STATIC = """
    --document-root --directory-index --directory-listing --allow-override --mime-types
    --error-override
"""

TLS = """
    --https-port --ssl-port --ssl-certificate-file --ssl-certificate-key-file --ssl-certificate
    --ssl-ca-certificate-file --ssl-verify-client --ssl-certificate-chain-file --ssl-environment
    --https-only --hsts-policy
"""

ACCESS = """
    --host-access-script --auth-user-script --auth-type --auth-group-script --auth-group
"""

SERVICES = """
    --service-script --service-user --service-group --service-log-file
"""

TELEMETRY = """
    --telemetry-service --enable-telemetry --telemetry-ui-port --telemetry-interval
    --telemetry-options
"""

LOGS = """
    --startup-log --error-log-format --error-log-name --startup-log-name --rotate-logs
    --max-log-size --rotatelogs-executable --verbose-debugging
"""

APACHE = """
    --server-name --server-alias --allow-localhost --envvars-script --locale --lang --server-root
    --server-mpm --python-eggs --python-warnings --shell-executable --httpd-executable
    --process-name --modules-directory --socket-prefix --orphan-interpreter --embedded-mode
    --enable-docs --setup-only --map-head-to-get --switch-interval
"""

LIMITS = """
    --cpu-time-limit --inactivity-timeout --ignore-activity --proxy-timeout --header-min-rate
    --body-min-rate --daemon-backlog --send-buffer-size --receive-buffer-size
    --header-buffer-size --response-buffer-size --response-flush-delay
"""

DEBUGGING = """
    --debug-mode --enable-debugger --debugger-startup --enable-coverage --coverage-directory
    --enable-profiler --profiler-directory --enable-recorder --recorder-directory --enable-gdb
    --gdb-executable
"""

SWITCHES = """
    --reload-on-changes --disable-reloading --access-log --log-to-terminal --server-metrics
    --server-status --chunked-request --enable-sendfile --http2 --compress-responses
    --free-threading --help -h --directory-listing --error-override --ssl-environment --https-only
    --with-cgi --with-php5 --enable-telemetry --startup-log --rotate-logs --allow-localhost
    --orphan-interpreter --embedded-mode --enable-docs --setup-only --debug-mode --enable-debugger
    --debugger-startup --enable-coverage --enable-profiler --enable-recorder --enable-gdb
    --verbose-debugging
"""
"""Those without a value."""
