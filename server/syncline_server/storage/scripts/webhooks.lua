-- One operation on the queue of webhooks of one bucket. The queue is read through a consumer group: a webhook that was read
-- and is not done stays pending, so the next holder of the service's lease reads it again.
--
-- KEYS[1]  `{service:bucket}`
-- ARGV     by name: verb, then by verb:
--          "take"    cursor: pending webhooks after that id ("0" = all), ">" for webhooks not read yet; count, how many at most
--          "done"    id of a webhook that was delivered, parked or is not wanted
--          "tidy"    remove the queue if it is empty
--          "append"  limit; event, names and values as JSON
--          "arrive"  limit, identity, endpoint; queued, "1" to queue a webhook; alone, "1" to queue it for the identity's first
--                    endpoint only
--          "leave"   as "arrive", but for the identity's last endpoint
-- Returns  "take": {webhooks in the queue, dropped since the last "take", cursor of the next "take" or "",
--          {{id, {name, value, …}}, …}}; else how many webhooks were done or queued, or queues removed

local verb, limit = arguments.verb, tonumber(arguments.limit)
local QUEUE, DROPPED, GROUP = tag .. ':webhooks', tag .. ':webhooks:dropped', 'webhooks'

local function read(cursor, count)
  return redis.pcall('XREADGROUP', 'GROUP', GROUP, 'server', 'COUNT', count, 'STREAMS', QUEUE, cursor)
end

if verb == 'take' then
  if redis.call('EXISTS', QUEUE) == 0 then
    return {0, tonumber(redis.call('GETDEL', DROPPED) or 0), '', {}}
  end
  local streams = read(arguments.cursor, arguments.count)
  if type(streams) == 'table' and streams.err then
    redis.call('XGROUP', 'CREATE', QUEUE, GROUP, '0')
    streams = read(arguments.cursor, arguments.count)
  end
  local entries, last = {}, ''
  for _, entry in ipairs(streams and streams[1][2] or {}) do
    last = entry[1]
    if entry[2] then
      entries[#entries + 1] = entry
    else
      -- `append_webhook` trimmed this webhook off the stream while it was pending.
      redis.call('XACK', QUEUE, GROUP, last)
    end
  end
  return {redis.call('XLEN', QUEUE), tonumber(redis.call('GETDEL', DROPPED) or 0), last, entries}
end

if verb == 'done' then
  redis.call('XACK', QUEUE, GROUP, arguments.id)
  return redis.call('XDEL', QUEUE, arguments.id)
end

if verb == 'tidy' then
  if redis.call('XLEN', QUEUE) > 0 then
    return 0
  end
  return redis.call('DEL', QUEUE)
end

if verb == 'append' then
  append_webhook(tag, limit, cjson.decode(arguments.event))
  return 1
end

-- "arrive" and "leave": the set of an identity's endpoints. An endpoint stays in it while it is connected, and afterwards
-- until the time in which it may reconnect has passed.
local identity, endpoint = arguments.identity, arguments.endpoint
local endpoints = tag .. ':endpoints:' .. identity
local changed, kind
if verb == 'arrive' then
  changed, kind = redis.call('SADD', endpoints, endpoint), 'endpoint_connected'
else
  changed, kind = redis.call('SREM', endpoints, endpoint), 'endpoint_disconnected'
end
local others = redis.call('SCARD', endpoints) - (verb == 'arrive' and 1 or 0)
if changed == 0 or not arguments.queued or (arguments.alone and others > 0) then
  return 0
end
append_webhook(tag, limit, {k = kind, o = identity, i = identity, e = endpoint})
return 1
