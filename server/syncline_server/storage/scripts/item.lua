-- One commit of items of one collection: check all, write all, publish one event (see lib/applied.lua for the order).
--
-- KEYS[1]  `{service:bucket}`
-- ARGV     by name, those of lib/{clock,object,rights,operation,publish,webhooks,removal,target}.lua, and
--            writes           what to write, JSON: a list of {v, k, t, m}; the data of the first is data1, and so on
--                               v  "add" is refused if the item exists; "put" creates or replaces it; "update" and "remove" are
--                                  refused if it does not exist; "expire" removes it if it is past its expiry; "advance" gives
--                                  it a revision beyond m, which a client received and a failover lost
--                               k  key; absent with "add" to a list: the script gives the next index
--                               (data absent = keep)
--                               t  ttl in seconds; absent = keep, 0 = never expire
--                               m  revision that the item must be at; -1 = it must not exist; absent = any
--            collection_ttl   seconds until the collection expires; 0 = never; absent = keep
--            index_format     for a list: the format of an index as a key; absent for a map
--            brief            1: the reply is the header alone
--            max_items, max_bytes, max_tombstones, tombstone_ms   limits of the collection
-- Returns  {"ok", header …, kind, "1" if expired else "", key, record, data, kind, …}: the changes in order of revision; data is
--          that of a removed item, else "". Or refused, nothing changed: as lib/target.lua, or
--            {"item", header …, index, reason, record}   write `index` (from 1) was refused; reason is "exists", "absent",
--                                                        "mismatch", or "hidden": a mismatch with an item that the identity may
--                                                        not read; record is the newest one, "" if there is none or the
--                                                        identity may not read it
--            {"full", header …, limit}                   `limit` ("max_items" | "max_bytes") does not allow it

local collection, refusal, rights = target()
if not collection then
  if refusal[STATUS] == 'absent' then
    -- Entries of the index of expiries whose collection is gone would be swept again and again.
    for _, asked in ipairs(cjson.decode(arguments.writes)) do
      if asked.v == 'expire' then
        also(redis.call, 'ZREM', EXPIRIES, arguments.sid .. '/' .. asked.k)
      end
    end
  end
  return refusal
end
local sid = collection[SID]
local counts = counts_of(collection)
local shows = bit.band(rights, READ_RIGHT) ~= 0
local requests, keys = cjson.decode(arguments.writes), {}
for _, request in ipairs(requests) do
  keys[#keys + 1] = request.k
end
local stored_items = load_items(sid, keys)

-- Checks one write. Returns what `plan_changes` takes, or nil if there is nothing to do; or nil, the reason of the refusal and
-- the item.
local function check(write)
  local verb, key, condition = write.v, write.k, write.m
  local stored
  if key then
    stored = stored_items[key]
  else
    key = string.format(arguments.index_format, counts.next_index)
    counts.next_index = counts.next_index + 1
    stored = load_item(sid, key)
  end
  local due = stored and is_due(stored)
  local live = stored and stored.data and not due and stored or nil
  if verb == 'expire' then
    if not due then
      -- An entry of the index of expiries that the item does not have would be swept again and again.
      if not live or live.expires == 0 then
        redis.call('ZREM', EXPIRIES, sid .. '/' .. key)
      else
        redis.call('ZADD', EXPIRIES, text(live.expires), sid .. '/' .. key)
      end
      return nil
    end
    return {key = key, current = stored}
  end
  if verb == 'advance' then
    if stored and stored.revision >= condition or not stored and condition <= counts.horizon then
      return nil -- not lost; or removed, and its tombstone dropped
    end
    -- Without a live item its creation was lost, or its removal: a newer tombstone reports it as removed.
    return {key = key, current = stored, data = live and live.data, expires = live and live.expires, beyond = condition}
  end
  if live and verb == 'add' then
    return nil, 'exists', live
  end
  if not live and (verb == 'update' or verb == 'remove') then
    return nil, 'absent'
  end
  if condition and condition ~= (live and live.revision or -1) then
    return nil, 'mismatch', live
  end
  if verb == 'remove' then
    return {key = key, current = stored}
  end
  local expires = live and live.expires or 0
  if write.t then
    expires = write.t == 0 and 0 or now() + write.t * 1000
  end
  return {key = key, current = stored, data = write.d or live.data, expires = expires}
end

local function refused(status, ...)
  local answer = {unpack(collection)}
  answer[STATUS] = status
  for _, element in ipairs({...}) do
    answer[#answer + 1] = element
  end
  return answer
end

local writes, live_after, bytes_after, least = {}, counts.live, counts.bytes, 0
for index, asked in ipairs(requests) do
  asked.d = arguments['data' .. index]
  local write, reason, newest = check(asked)
  if reason then
    if reason == 'mismatch' and newest and not shows then
      reason = 'hidden'
    end
    return refused('item', text(index), reason, newest and shows and pack_item(newest) or '')
  end
  if write then
    writes[#writes + 1] = write
    least = math.max(least, write.beyond or 0)
    local before = write.current and write.current.data
    if write.data then
      live_after = live_after + (before and 0 or 1)
      bytes_after = bytes_after + #write.data + (before and -#before or #write.key)
    end
  end
end
if live_after > counts.live and live_after > tonumber(arguments.max_items) then
  return refused('full', 'max_items')
end
if bytes_after > counts.bytes and bytes_after > tonumber(arguments.max_bytes) then
  return refused('full', 'max_bytes')
end

local changes = plan_changes(writes)
if #changes == 0 then
  return answered(collection)
end
local previous = collection[REVISION]
write_changes(collection, counts, changes, least)
if arguments.operation then
  remember(changes_reply(collection, changes, ''))
end
announce_changes(collection, previous, changes)
return answered(arguments.brief and collection or changes_reply(collection, changes))
