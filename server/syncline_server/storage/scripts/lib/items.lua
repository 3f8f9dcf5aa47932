-- Items of one collection: their records, indexes and tombstones.
--
--   {t}:items:SID    hash  key -> record, of live items and of tombstones (removed items)
--   {t}:order:SID    zset  score 0: keys of live items, in the order of pages
--   {t}:changes:SID  zset  key of a live item -> revision of its last change
--   {t}:removed:SID  zset  key of a tombstone -> revision of the removal
--   {t}:expiries     zset  SID/key -> moment of expiry, beside the SIDs of whole objects
--
-- A record begins with `L` (live) or `D` (tombstone), then numbers as big-endian doubles (exact below 2^53), then texts with
-- their lengths:
--   L  revision born created updated expires(0 = never)  creator writer mark  data
--   D  revision born at  writer mark
-- Python reads and makes the same (storage/records.py).

local RECORD_LIVE, RECORD_DEAD = '>dddddHc0Hc0Hc0', '>dddHc0Hc0'

local function items_key(part, sid)
  return tag .. ':' .. part .. ':' .. sid
end

local function pack_item(item)
  if item.data then
    return 'L' .. struct.pack(RECORD_LIVE, item.revision, item.born, item.created, item.updated, item.expires,
                              #item.creator, item.creator, #item.writer, item.writer, #item.mark, item.mark) .. item.data
  end
  return 'D' .. struct.pack(RECORD_DEAD, item.revision, item.born, item.updated, #item.writer, item.writer, #item.mark, item.mark)
end

local function unpack_item(record)
  if record:byte() == 76 then -- L
    local item, offset = {}, nil
    item.revision, item.born, item.created, item.updated, item.expires, item.creator, item.writer, item.mark, offset =
      struct.unpack(RECORD_LIVE, record, 2)
    item.data = record:sub(offset)
    return item
  end
  local item = {}
  item.revision, item.born, item.updated, item.writer, item.mark = struct.unpack(RECORD_DEAD, record, 2)
  return item
end

-- The item with this key, live or as a tombstone; nil if there is neither.
local function load_item(sid, key)
  local record = redis.call('HGET', items_key('items', sid), key)
  if record then
    local item = unpack_item(record)
    item.key, item.size = key, #key + #record
    return item
  end
end

-- True for an item past its expiry: it is absent to every reader and writer, swept or not.
local function is_due(item)
  return item.data and item.expires ~= 0 and item.expires <= now
end

-- Counts and bytes of a collection are kept in its header: n(ame) r(evision) c u x b w m as of every object, and
--   i  next index (lists)   l  live items   z  bytes of all records and keys   h  horizon: the newest revision of a tombstone
--                                              that was dropped; a reader from before it cannot be brought up to date
local function load_counts(sid)
  local f = redis.call('HMGET', header_key(sid), 'i', 'l', 'z', 'h')
  return {next_index = tonumber(f[1] or 0), live = tonumber(f[2] or 0), bytes = tonumber(f[3] or 0), horizon = f[4] or '0'}
end

-- Tombstones that one write drops, at most: a collection that is far over its limits gets back below them write by write.
local TOMBSTONES_AT_ONCE = 16

-- Drops tombstones that are too old or too many. A reader from before it starts again (`horizon`): never a silent gap.
local function prune_tombstones(sid, counts, limits)
  local REMOVED = items_key('removed', sid)
  local excess = redis.call('ZCARD', REMOVED) - limits.tombstones
  local oldest = redis.call('ZRANGE', REMOVED, 0, TOMBSTONES_AT_ONCE - 1, 'WITHSCORES')
  local before = (now - limits.tombstone_ms) * REVISIONS_PER_MS
  local keys = {}
  for index = 1, #oldest, 2 do
    if #keys < excess or tonumber(oldest[index + 1]) < before then
      keys[#keys + 1] = oldest[index]
      counts.horizon = text(tonumber(oldest[index + 1]))
    end
  end
  if #keys > 0 then
    -- The horizon first: a reader that comes between starts again too early, not too late.
    redis.call('HSET', header_key(sid), 'h', counts.horizon)
    for _, record in ipairs(redis.call('HMGET', items_key('items', sid), unpack(keys))) do
      counts.bytes = counts.bytes - (record and #record or 0)
    end
    for _, key in ipairs(keys) do
      counts.bytes = counts.bytes - #key
    end
    redis.call('HDEL', items_key('items', sid), unpack(keys))
    redis.call('ZREM', REMOVED, unpack(keys))
  end
end

-- Applies checked operations to a collection in one go: all of them or, if Redis refuses the first write, none.
--
-- collection: its header, which is changed to the state after the write. counts: `load_counts`. limits: tombstones,
-- tombstone_ms. operations: each {key, current = the item before (`load_item`) or nil, data = nil to remove,
-- expires = ms or 0}. Returns the changes, in order of revision: {kind, item, expired}.
local function apply_items(collection, counts, limits, operations)
  local sid = collection.sid
  local changes = {}
  for _, operation in ipairs(operations) do
    local current = operation.current
    if current and is_due(current) then
      -- The item is past its expiry and was not swept yet: its subscribers receive the removal first.
      changes[#changes + 1] = {kind = 'removed', expired = true, before = current, item = {key = operation.key}}
    end
    local live = current and current.data and not is_due(current)
    if operation.data then
      changes[#changes + 1] = {kind = live and 'updated' or 'added', before = live and current, item = {
        key = operation.key, data = operation.data, expires = operation.expires,
        created = live and current.created or now, creator = live and current.creator or who,
        born = live and current.born}}
    elseif live then
      changes[#changes + 1] = {kind = 'removed', expired = operation.expired, before = current, item = {key = operation.key}}
    end
  end
  if #changes == 0 then
    return changes
  end

  -- Consecutive revisions, the last of which is the collection's: one clock for all of them.
  local last = tonumber(next_revision(tonumber(collection.revision) + #changes - 1))
  local records, sizes = {}, {}
  for index, change in ipairs(changes) do
    local item = change.item
    item.revision = last - #changes + index
    item.updated, item.writer, item.mark = now, change.expired and 'system' or who, mark
    if change.kind == 'removed' then
      item.born = change.before.born
    else
      item.born = item.born or item.revision
    end
    local record = pack_item(item)
    records[#records + 1] = item.key
    records[#records + 1] = record
    sizes[item.key] = #item.key + #record
  end
  -- The write that decides. All records in one command: Redis takes all of them or none. What follows goes through `also`.
  redis.call('HSET', items_key('items', sid), unpack(records))

  for _, operation in ipairs(operations) do
    if sizes[operation.key] then
      counts.bytes = counts.bytes + sizes[operation.key] - (operation.current and operation.current.size or 0)
    end
  end
  for _, change in ipairs(changes) do
    local item, member = change.item, sid .. '/' .. change.item.key
    if change.kind == 'removed' then
      counts.live = counts.live - 1
      also(redis.call, 'ZREM', items_key('order', sid), item.key)
      also(redis.call, 'ZREM', items_key('changes', sid), item.key)
      also(redis.call, 'ZADD', items_key('removed', sid), text(item.revision), item.key)
    else
      if change.kind == 'added' then
        counts.live = counts.live + 1
        also(redis.call, 'ZADD', items_key('order', sid), 0, item.key)
        also(redis.call, 'ZREM', items_key('removed', sid), item.key)
      end
      also(redis.call, 'ZADD', items_key('changes', sid), text(item.revision), item.key)
    end
    if item.data and item.expires ~= 0 then
      also(redis.call, 'ZADD', EXPIRIES, text(item.expires), member)
    elseif change.before and change.before.expires ~= 0 then
      also(redis.call, 'ZREM', EXPIRIES, member)
    end
  end
  also(prune_tombstones, sid, counts, limits)
  collection.previous, collection.revision = collection.revision, text(last)
  return changes
end

-- The changes as their event carries them: a list of heads, and the data of all of them, one after the other.
local function describe_changes(changes)
  local heads, bodies = {}, {}
  for index, change in ipairs(changes) do
    local item, before = change.item, change.before
    local data = item.data or before.data
    heads[index] = {c = change.kind, k = item.key, r = text(item.revision), b = text(item.born), s = #data,
                    x = item.data and item.expires ~= 0 and text(item.expires) or nil,
                    at = text(item.created or before.created), by = item.creator or before.creator, e = change.expired}
    bodies[index] = data
  end
  return heads, table.concat(bodies)
end
