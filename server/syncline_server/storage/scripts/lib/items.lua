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
-- `created` is negative for an item that took the place of a removed one with its key. Its own removal then has 0 as `born`: a
-- reader that was away may have the earlier item, so it must receive the removal.
-- Python reads and makes the same (storage/records.py).

local RECORD_LIVE, RECORD_DEAD = '>dddddHc0Hc0Hc0', '>dddHc0Hc0'

local function items_key(part, sid)
  return tag .. ':' .. part .. ':' .. sid
end

-- The record of an item. `data` replaces the item's own data, to leave it out.
local function pack_item(item, data)
  if item.data then
    local created = item.revived and -item.created or item.created
    return 'L' .. struct.pack(RECORD_LIVE, item.revision, item.born, created, item.updated, item.expires,
                              #item.creator, item.creator, #item.writer, item.writer, #item.mark, item.mark) .. (data or item.data)
  end
  return 'D' .. struct.pack(RECORD_DEAD, item.revision, item.born, item.updated, #item.writer, item.writer, #item.mark, item.mark)
end

local function unpack_item(record)
  if record:byte() == 76 then -- L
    local item, offset = {}, nil
    item.revision, item.born, item.created, item.updated, item.expires, item.creator, item.writer, item.mark, offset =
      struct.unpack(RECORD_LIVE, record, 2)
    item.data, item.revived, item.created = record:sub(offset), item.created < 0, math.abs(item.created)
    return item
  end
  local item = {}
  item.revision, item.born, item.updated, item.writer, item.mark = struct.unpack(RECORD_DEAD, record, 2)
  return item
end

local function item_of(key, record)
  local item = unpack_item(record)
  item.key, item.size = key, #key + #record
  return item
end

-- The item with this key, live or as a tombstone; nil if there is neither.
local function load_item(sid, key)
  local record = redis.call('HGET', items_key('items', sid), key)
  return record and item_of(key, record) or nil
end

-- Those with these keys, by key. One command for all: the call costs more than its work.
local function load_items(sid, keys)
  local found = {}
  local records = #keys > 0 and redis.call('HMGET', items_key('items', sid), unpack(keys)) or {}
  for index, record in ipairs(records) do
    found[keys[index]] = record and item_of(keys[index], record) or nil
  end
  return found
end

-- The revision that created an item, as its removal reports it.
local function born_of(item)
  return item.revived and 0 or item.born
end

-- True for an item past its expiry: it is absent to every reader and writer, swept or not.
local function is_due(item)
  return item.data and item.expires ~= 0 and item.expires <= now()
end

-- Without making a table of the record: pages and replays ask this of each of their items.
local BORN_AT <const> = 10
local EXPIRES_AT <const> = 34

local function is_live_record(record)
  return record:byte() == 76 -- L
end

local function expires_of(record)
  return (struct.unpack('>d', record, EXPIRES_AT))
end

-- `is_due` of a live item's record.
local function is_due_record(record)
  local expires = expires_of(record)
  return expires ~= 0 and expires <= now()
end
