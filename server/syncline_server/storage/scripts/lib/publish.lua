-- The event of a write, on the channel of its object.
--
-- publish  "PUBLISH" | "SPUBLISH"
-- channel  middle of the channel's name
-- trace    of this write, which its event carries; absent = none

-- Publishes one line of JSON, then `body`. Always the last command of a script (see applied.lua).
local function announce(sid, event, body)
  event.sid, event.trace = sid, arguments.trace
  also(redis.call, arguments.publish, tag .. arguments.channel .. sid, cjson.encode(event) .. '\n' .. body)
end
