-- One step with the queue of webhooks of one bucket. It is read through a consumer group: what was read and not done yet
-- stays pending, for whoever has the lease of the service next.
--
-- KEYS[1]  `{service:bucket}`
-- ARGV     verb, then by verb:
--          "take"    cursor, how many at most: what is pending after that id ("0" = all), or with ">" what was not read yet
--          "done"    id: it is delivered, parked or not wanted
--          "tidy"    removes the queue if it is empty
--          "append"  limit, then names and values of an event
--          "arrive"  limit, 1 to tell of it, 1 to tell of the identity's first endpoint alone, identity, endpoint
--          "leave"   the same, of its last
-- Returns  "take": {how many there are, dropped since the last look, the cursor that leads on or "", {{id, {name, value, …}}, …}};
--          else how many were done, removed, or told of

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
      -- It gave way to a newer one while it was pending.
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
  append(tag, tonumber(ARGV[2]), event)
  return 1
end

-- An identity's endpoints are kept while they are connected, and as long after as a break of the connection may last.
local limit, told, alone, identity, endpoint = tonumber(ARGV[2]), ARGV[3] == '1', ARGV[4] == '1', ARGV[5], ARGV[6]
local endpoints = tag .. ':endpoints:' .. identity
local changed, kind
if verb == 'arrive' then
  changed, kind = redis.call('SADD', endpoints, endpoint), 'endpoint_connected'
else
  changed, kind = redis.call('SREM', endpoints, endpoint), 'endpoint_disconnected'
end
local others = redis.call('SCARD', endpoints) - (verb == 'arrive' and 1 or 0)
if changed == 0 or not told or (alone and others > 0) then
  return 0
end
append(tag, limit, {k = kind, o = identity, i = identity, e = endpoint})
return 1
