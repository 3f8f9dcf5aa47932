-- Frees one portion of a bucket's garbage (lib/garbage.lua).
--
-- KEYS[1]  `{service:bucket}` or `{service}`
-- ARGV     by name: count, entries to free, about; whole, "1" if this script reaches the index of buckets;
--          name and cursor, as the last portion returned them, absent at first
-- Returns  {entries that were freed, µs that it took, name, cursor}; without a name nothing is left

local GARBAGE = tag .. ':garbage'

-- `TIME` stands still within a script; this is the processor time of the whole of Redis, and so never too little.
local began = os.clock()

-- An unfinished iteration that another process began is begun again: what was freed is not seen twice.
local name, cursor, count = arguments.name, arguments.cursor or '0', tonumber(arguments.count)
if not name or redis.call('SISMEMBER', GARBAGE, name) == 0 then
  name, cursor = redis.call('SRANDMEMBER', GARBAGE), '0'
end
if not name then
  if arguments.whole then
    local prefix, bucket = tag:match('^(.*){(.-)}$')
    redis.call('SREM', prefix .. '{syncline}:garbage', bucket)
  end
  return {0, 0}
end
local key = GARBAGE .. ':' .. name

-- Removes the expiries of items from the bucket's index. Not if the collection exists again, with a SID that was chosen: an
-- item of that name may be a new one. Where an entry stays, the sweeper removes it when it is due.
local function forget_expiries(sid, found)
  local type_ = sid:sub(1, 2) == 'MP' and ':map:' or ':list:'
  if redis.call('EXISTS', tag .. type_ .. sid) == 1 then
    return
  end
  local members = {}
  for index = 1, #found, 2 do
    if is_live_record(found[index + 1]) and expires_of(found[index + 1]) ~= 0 then
      members[#members + 1] = sid .. '/' .. found[index]
    end
  end
  if #members > 0 then
    redis.call('ZREM', tag .. ':expiries', unpack(members))
  end
end

local function free_fields()
  local next_cursor, found = unpack(redis.call('HSCAN', key, cursor, 'COUNT', count))
  local fields = {}
  for index = 1, #found, 2 do
    fields[#fields + 1] = found[index]
  end
  cursor = next_cursor
  if #fields > 8 * count then
    -- Redis returns a compact hash as a whole. That is one block of memory, freed in a moment.
    redis.call('UNLINK', key)
    return #fields
  end
  local sid = name:match('^items:(%w+):')
  if sid then
    forget_expiries(sid, found)
  end
  if #fields > 0 then
    redis.call('HDEL', key, unpack(fields))
  end
  return #fields
end

local FREE = {
  hash = free_fields,
  zset = function() return redis.call('ZREMRANGEBYRANK', key, 0, count - 1) end,
  stream = function() return redis.call('XTRIM', key, 'MAXLEN', math.max(redis.call('XLEN', key) - count, 0)) end,
}

local type_ = redis.call('TYPE', key).ok
local freed = FREE[type_] and FREE[type_]() or 0
if not FREE[type_] or freed == 0 and type_ == 'stream' then
  redis.call('UNLINK', key)
end
if redis.call('EXISTS', key) == 0 then
  redis.call('SREM', GARBAGE, name)
end
return {freed, math.floor((os.clock() - began) * 1000000), name, cursor}
