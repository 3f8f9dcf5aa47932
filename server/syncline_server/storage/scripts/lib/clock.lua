-- Redis' clock, which alone decides expiry and dates.
--
-- ARGV     clock_offset_ms, only from a server with --test-clock: how far a test has moved its time forward

local now_ms

-- Milliseconds since the epoch, the same throughout a script. Read when first needed: many reads need no time.
local function now()
  if not now_ms then
    local time = redis.call('TIME')
    now_ms = time[1] * 1000 + math.floor(time[2] / 1000) + (arguments.clock_offset_ms or 0)
  end
  return now_ms
end

local function text(number)
  return string.format('%.0f', number)
end
