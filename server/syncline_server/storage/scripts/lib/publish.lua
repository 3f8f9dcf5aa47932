-- The event of a write, on the channel of its object.
--
-- Tails (pubsub/tails.py) follow all objects. They subscribe to the channels of objects by a pattern. On a Cluster, whose shard
-- channels have no patterns, each shard has one channel for tails, which gets a copy of each event. To be noticed there, a tail
-- subscribes to a pattern as well: the number of patterns is the cheapest question, and nobody pays more while there is no tail.
--
-- publish  "PUBLISH" | "SPUBLISH"
-- channel  middle of the channel's name
-- tail     on a Cluster: name of the channel for this shard's tails
-- trace    of this write, which its event carries; absent = none

-- Publishes one line of JSON, then `body`. Always the last step of a script (see applied.lua). `suffix` ends the name of the
-- channel; absent = none. (One function: to make another would cost each write time, used or not.)
local function announce(sid, event, body, suffix)
  event.sid, event.trace = sid, arguments.trace
  local channel = tag .. arguments.channel .. sid .. (suffix or '')
  local message = cjson.encode(event) .. '\n' .. body
  also(redis.call, arguments.publish, channel, message)
  if arguments.tail and (also(redis.call, 'PUBSUB', 'NUMPAT') or 0) > 0 then
    -- `pcall`, not `also`: the slot of this channel may move to another node, and that is no trouble of the write.
    redis.pcall(arguments.publish, arguments.tail, channel .. '\n' .. message)
  end
end
