-- Redis' clock, which alone decides expiry and dates.

local now_ms

-- Milliseconds since the epoch, the same throughout a script. Read when first needed: many reads need no time.
local function now()
  if not now_ms then
    local time = redis.call('TIME')
    now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  return now_ms
end

local function text(number)
  return string.format('%.0f', number)
end
