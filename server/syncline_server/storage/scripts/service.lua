-- One change to the set of services. Each change writes a new version; other processes see it and read the services again.
--
-- KEYS[1]  `{syncline}`
-- ARGV     by name: verb, version (the new one), sid, then by verb:
--          "create"   record (JSON); limit, how many services there may be, those being deleted included
--          "default"  record: creates the service named `default` if there is none
--          "update"   members that change (JSON)
--          "delete"
-- Returns  {"ok", record}, or {"absent"} | {"full"} | {"kept"} (the default service cannot be deleted) | {"taken"} (another
--          service has the SID, or one that is being deleted)

local verb, sid = arguments.verb, arguments.sid
local SERVICES, INDEX, DELETIONS = tag .. ':services', tag .. ':index', tag .. ':deletions'
local NAMES, VERSION = tag .. ':names', tag .. ':version'

-- `pcall` after the first write: the change is applied by then and must be answered as applied.
local function changed(record)
  redis.pcall('SET', VERSION, arguments.version)
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
  if redis.call('HLEN', SERVICES) + redis.call('HLEN', DELETIONS) >= tonumber(arguments.limit) then
    return {'full'}
  end
  return add(arguments.record)
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
  return add(arguments.record)
end

local record = redis.call('HGET', SERVICES, sid)
if not record then
  return {'absent'}
end

if verb == 'update' then
  local service = cjson.decode(record)
  for name, value in pairs(cjson.decode(arguments.members)) do
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
