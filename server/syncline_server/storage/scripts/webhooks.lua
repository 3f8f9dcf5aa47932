-- One operation on the queue of webhooks of one bucket. The queue is read through a consumer group: a webhook that was read
-- and is not done stays pending, so the next holder of the service's lease reads it again.
--
-- KEYS[1]  `{service:bucket}`
-- ARGV     verb, then by verb:
--          "take"    cursor, how many at most: pending webhooks after that id ("0" = all); ">" for webhooks not read yet
--          "done"    id of a webhook that was delivered, parked or is not wanted
--          "tidy"    remove the queue if it is empty
--          "append"  limit, then names and values of an event
--          "arrive"  limit, 1 to queue a webhook, 1 to queue it for the identity's first endpoint only, identity, endpoint
--          "leave"   as "arrive", but for the identity's last endpoint
-- Returns  "take": {webhooks in the queue, dropped since the last "take", cursor of the next "take" or "",
--          {{id, {name, value, …}}, …}}; else how many webhooks were done or queued, or queues removed

local tag, verb = KEYS[1], ARGV[1]
local QUEUE, DROPPED, GROUP = tag .. ':webhooks', tag .. ':webhooks:dropped', 'webhooks'

local function read(cursor, count)
  return redis.pcall('XREADGROUP', 'GROUP', GROUP, 'server', 'COUNT', count, 'STREAMS', QUEUE, cursor)
end

if verb == 'take' then
  if redis.call('EXISTS', QUEUE) == 0 then
    return {0, tonumber(redis.call('GETDEL', DROPPED) or 0), '', {}}
  end
  local streams = read(ARGV[2], ARGV[3])
  if type(streams) == 'table' and streams.err then
    redis.call('XGROUP', 'CREATE', QUEUE, GROUP, '0')
    streams = read(ARGV[2], ARGV[3])
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
  redis.call('XACK', QUEUE, GROUP, ARGV[2])
  return redis.call('XDEL', QUEUE, ARGV[2])
end

if verb == 'tidy' then
  if redis.call('XLEN', QUEUE) > 0 then
    return 0
  end
  return redis.call('DEL', QUEUE)
end

if verb == 'append' then
  local event = {}
  for index = 3, #ARGV, 2 do
    event[ARGV[index]] = ARGV[index + 1]
  end
  append_webhook(tag, tonumber(ARGV[2]), event)
  return 1
end

-- "arrive" and "leave": the set of an identity's endpoints. An endpoint stays in it while it is connected, and afterwards
-- until the time in which it may reconnect has passed.
local limit, is_queued, alone, identity, endpoint = tonumber(ARGV[2]), ARGV[3] == '1', ARGV[4] == '1', ARGV[5], ARGV[6]
local endpoints = tag .. ':endpoints:' .. identity
local changed, kind
if verb == 'arrive' then
  changed, kind = redis.call('SADD', endpoints, endpoint), 'endpoint_connected'
else
  changed, kind = redis.call('SREM', endpoints, endpoint), 'endpoint_disconnected'
end
local others = redis.call('SCARD', endpoints) - (verb == 'arrive' and 1 or 0)
if changed == 0 or not is_queued or (alone and others > 0) then
  return 0
end
append_webhook(tag, limit, {k = kind, o = identity, i = identity, e = endpoint})
return 1
