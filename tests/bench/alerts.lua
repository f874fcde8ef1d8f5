-- wrk's side of a window: alerts that are never the same, and at the end one line of JSON.
--
--   wrk … -s alerts.lua URL -- PATH_AND_QUERY guance TEMPLATE SEED FIRST STOP_AFTER PAUSE
--   wrk … -s alerts.lua URL -- PATH_AND_QUERY ces FILE SEED FIRST STOP_AFTER PAUSE
--
-- guance: a body with @EVENT@ and @ALERT@ where ids go, of the length that these words have.
-- ces: a file with a signed message a line; each is sent once, from number FIRST on.
-- STOP_AFTER: so many answers end it, and it is measured how long they took together; 0: none do.
-- PAUSE: ms between an answer and the next alert of a client.
local ffi = require("ffi")
ffi.cdef [[
typedef struct { long seconds; long nanoseconds; } bench_time;
int clock_gettime(int clock, bench_time *time);
void _exit(int status);
]]

local ALERTS = 16384
local now_of = ffi.new("bench_time")

local function now()
    ffi.C.clock_gettime(1, now_of)
    return tonumber(now_of.seconds) + tonumber(now_of.nanoseconds) / 1e9
end

local function read(path)
    local file = assert(io.open(path, "rb"))
    local text = file:read("*a")
    file:close()
    return text
end

local function head(length)
    return "POST " .. path .. " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" ..
        "Content-Length: " .. length .. "\r\n\r\n"
end

-- wrk itself goes on to the end of its time.
local function stop()
    io.write(string.format('{"took":%.6f}\n', now() - started))
    io.flush()
    ffi.C._exit(0)
end

function init(args)
    path, kind, seed = args[1], args[2], tonumber(args[4])
    count, answered = tonumber(args[5]), 0
    local stop_after, pause = tonumber(args[6]), tonumber(args[7])
    if pause > 0 then
        delay = function()
            return pause
        end
    end
    if kind == "guance" then
        local body = read(args[3])
        -- Both words become 16 characters, in a request of the same length each time.
        local length = #body - #"@EVENT@" - #"@ALERT@" + 32
        local before, between, after = body:match("^(.*)@EVENT@(.*)@ALERT@(.*)$")
        pieces = { head(length) .. before, between, after }
    else
        messages = {}
        for line in io.lines(args[3]) do
            messages[#messages + 1] = head(#line) .. line
        end
    end
    if stop_after > 0 then
        response = function()
            answered = answered + 1
            if answered == stop_after then
                stop()
            end
        end
    end
end

function request()
    count = count + 1
    started = started or now()
    if kind == "guance" then
        return pieces[1] .. string.format("%04x%012d", seed, count) .. pieces[2] ..
            string.format("%016x", count % ALERTS) .. pieces[3]
    end
    return messages[(count - 1) % #messages + 1]
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '{"requests":%d,"seconds":%.6f,"p50_ms":%.3f,"p99_ms":%.3f,"errors":%d,"refused":%d}\n',
        summary.requests, summary.duration / 1e6, latency:percentile(50) / 1000,
        latency:percentile(99) / 1000,
        errors.connect + errors.read + errors.write + errors.timeout + errors.status, errors.status))
end
