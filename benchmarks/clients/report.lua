-- What one wrk run sends and reports, for every scenario.
--
-- Arguments after `--`: METHOD BODY_SIZE PIPELINE. Header fields come from wrk's own -H options.
-- At the end one line of JSON goes to stdout, after the marker that load.py looks for.

local batch

function init(args)
    wrk.method = args[1]
    local size = tonumber(args[2])
    if size > 0 then
        wrk.body = string.rep("x", size)
    end
    local requests = {}
    for i = 1, tonumber(args[3]) do
        requests[i] = wrk.format()
    end
    batch = table.concat(requests)
end

function request()
    return batch
end

function done(summary, latency, requests)
    io.write(string.format(
        'RESULT {"requests": %d, "seconds": %.6f, "bytes": %d, '
            .. '"connect": %d, "read": %d, "write": %d, "status": %d, "timeout": %d, '
            .. '"p50_us": %d, "p99_us": %d, "max_us": %d}\n',
        summary.requests, summary.duration / 1e6, summary.bytes,
        summary.errors.connect, summary.errors.read, summary.errors.write,
        summary.errors.status, summary.errors.timeout,
        latency:percentile(50), latency:percentile(99), latency.max
    ))
end
