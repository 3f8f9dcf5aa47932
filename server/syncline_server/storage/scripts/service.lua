-- One change to the set of services. Each change writes a new version; other processes see it and read the services again.
--
-- KEYS[1]  `{syncline}`
-- ARGV     verb, the new version, then by verb:
--          "create"   SID, record (JSON), how many services there may be, those being deleted included
--          "default"  SID, record: creates the service named `default` if there is none
--          "update"   SID, the members that change (JSON)
--          "delete"   SID
-- Returns  {"ok", record}, or {"absent"} | {"full"} | {"kept"} (the default service cannot be deleted) | {"taken"} (another
--          service has the SID, or one that is being deleted)

local tag, verb, version, sid = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local SERVICES, INDEX, DELETIONS = tag .. ':services', tag .. ':index', tag .. ':deletions'
local NAMES, VERSION = tag .. ':names', tag .. ':version'

-- `pcall` after the first write: the change is applied by then and must be answered as applied.
local function changed(record)
  redis.pcall('SET', VERSION, version)
  return {'ok', record}
end

local function add(record)
  redis.call('HSET', SERVICES, sid, record)
  redis.pcall('ZADD', INDEX, 0, sid)
  return changed(record)
end

local function is_taken()
  return redis.call('HEXISTS', SERVICES, sid) == 1 or redis.call('HEXISTS', DELETIONS, sid) == 1
end

if verb == 'create' then
  if is_taken() then
    return {'taken'}
  end
  if redis.call('HLEN', SERVICES) + redis.call('HLEN', DELETIONS) >= tonumber(ARGV[5]) then
    return {'full'}
  end
  return add(ARGV[4])
end

if verb == 'default' then
  local existing = redis.call('HGET', NAMES, 'default')
  local record = existing and redis.call('HGET', SERVICES, existing)
  if record then
    return {'ok', record}
  end
  if is_taken() then
    return {'taken'}
  end
  redis.call('HSET', NAMES, 'default', sid)
  return add(ARGV[4])
end

local record = redis.call('HGET', SERVICES, sid)
if not record then
  return {'absent'}
end

if verb == 'update' then
  local service = cjson.decode(record)
  for name, value in pairs(cjson.decode(ARGV[4])) do
    service[name] = value
  end
  return add(cjson.encode(service))
end

if sid == redis.call('HGET', NAMES, 'default') then
  return {'kept'}
end
redis.call('HDEL', SERVICES, sid)
redis.pcall('HSET', DELETIONS, sid, '{}')
redis.pcall('ZREM', INDEX, sid)
return changed(record)
