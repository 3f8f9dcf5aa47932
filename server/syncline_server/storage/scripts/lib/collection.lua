-- The write of items of one collection: records, indexes, counts, and the event. Nothing is checked here.
--
-- max_tombstones  tombstones that a collection keeps
-- tombstone_ms    ms for which it keeps one
--
-- A collection's header has, beside the fields of every object:
--   i  next index (lists)    l  live items    z  bytes of keys and data of live items
--   h  horizon: newest revision of a tombstone that was dropped. A reader from before it must read the pages again.

local EXPIRIES = tag .. ':expiries'

-- In the order of `COUNT_FIELDS` (object.lua).
local COUNTS = {'next_index', 'live', 'bytes', 'horizon'}

local function counts_of(collection)
  local counts = {}
  for index, name in ipairs(COUNTS) do
    counts[name] = tonumber(collection.counts[index] or 0)
  end
  return counts
end

-- Tombstones that one write drops beyond the number that it adds, at most: a collection over its limits gets below them write
-- by write, and never further above.
local TOMBSTONES_AT_ONCE <const> = 16
local PRUNE_EVERY <const> = 16

-- Drops tombstones that are too old or too many. A reader from before them starts again (`horizon`): never a silent gap.
-- `added`: how many this write has added.
local function prune_tombstones(sid, counts, added)
  local REMOVED = items_key('removed', sid)
  local count = redis.call('ZCARD', REMOVED)
  if count == 0 then
    return
  end
  local excess = count - arguments.max_tombstones
  local before = (now() - arguments.tombstone_ms) * REVISIONS_PER_MS
  local oldest = redis.call('ZRANGE', REMOVED, 0, TOMBSTONES_AT_ONCE + added - 1, 'WITHSCORES')
  local keys = {}
  for index = 1, #oldest, 2 do
    local revision = tonumber(oldest[index + 1])
    if #keys < excess or revision < before then
      keys[#keys + 1] = oldest[index]
      counts.horizon = math.max(counts.horizon, revision)
    end
  end
  if #keys > 0 then
    redis.call('HDEL', items_key('items', sid), unpack(keys))
    redis.call('ZREM', REMOVED, unpack(keys))
  end
end

-- Plans the changes of checked writes, without revisions yet.
--
-- Each write is {key, current, data, expires, beyond}: `current` is the item before (`load_item`) or nil; without `data` it
-- removes; `beyond` is a revision that a client received and a failover lost.
local function plan_changes(writes)
  local changes = {}
  for _, write in ipairs(writes) do
    local stored = write.current
    local due = stored and is_due(stored)
    local live = stored and stored.data and not due and stored or nil
    if due then
      -- The item is past its expiry and was not swept yet: its subscribers receive that removal first.
      changes[#changes + 1] = {kind = 'removed', expired = true, before = stored, item = {key = write.key, born = born_of(stored)}}
    end
    if write.data then
      changes[#changes + 1] = {kind = live and 'updated' or 'added', before = live, item = {
        key = write.key, data = write.data, expires = write.expires, born = live and live.born,
        created = live and live.created or now(), creator = live and live.creator or arguments.identity,
        revived = stored and (not live or live.revived), writer = write.beyond and live.writer or nil}}
    elseif live or write.beyond then
      changes[#changes + 1] = {kind = 'removed', before = live, item = {key = write.key, born = live and born_of(live) or 0}}
    end
  end
  return changes
end

local function append(words, first, second)
  words[#words + 1] = first
  words[#words + 1] = second
end

-- A command with many words after the key; none without a word.
local function also_all(command, key, words)
  if #words > 0 then
    also(redis.call, command, key, unpack(words))
  end
end

-- Writes the changes, and the header of the collection with its new revision and counts. `least` is a revision that the first
-- change must be beyond.
local function write_changes(collection, counts, changes, least)
  local sid = collection[SID]
  -- One clock for the collection and its items: consecutive revisions, the last of which is the collection's.
  local last = tonumber(next_revision(math.max(tonumber(collection[REVISION]), least) + #changes - 1))
  local records = {}
  for index, change in ipairs(changes) do
    local item = change.item
    item.revision = last - #changes + index
    item.born = item.born or item.revision
    item.updated, item.mark = now(), arguments.mark
    item.writer = item.writer or (change.expired and 'system' or arguments.identity)
    change.record = pack_item(item)
    records[2 * index - 1], records[2 * index] = item.key, change.record
  end
  -- The write that decides. All records in one command: Redis takes all of them or none. What follows goes through `also`.
  redis.call('HSET', items_key('items', sid), unpack(records))

  -- One command for all members of an index: the call costs more than its work. A key can be removed and added in one commit
  -- (`plan_changes`), so what leaves an index goes first.
  local leaving, joining, unmarked, marked, buried, revived, endless, due = {}, {}, {}, {}, {}, {}, {}, {}
  for _, change in ipairs(changes) do
    local item, before = change.item, change.before
    local key, revision = item.key, item.revision -- as a number: `redis.call` writes it exactly
    if before then
      counts.live, counts.bytes = counts.live - 1, counts.bytes - #key - #before.data
    end
    if item.data then
      counts.live, counts.bytes = counts.live + 1, counts.bytes + #key + #item.data
      if not before then
        append(joining, '0', key)
        append(revived, key)
      end
      append(marked, revision, key)
    else
      append(leaving, key)
      append(unmarked, key)
      append(buried, revision, key)
    end
    if item.data and item.expires ~= 0 then
      append(due, item.expires, sid .. '/' .. key)
    elseif before and before.expires ~= 0 then
      append(endless, sid .. '/' .. key)
    end
  end
  local ORDER, CHANGES, REMOVED = items_key('order', sid), items_key('changes', sid), items_key('removed', sid)
  also_all('ZREM', ORDER, leaving)
  also_all('ZADD', ORDER, joining)
  also_all('ZREM', CHANGES, unmarked)
  also_all('ZADD', CHANGES, marked)
  also_all('ZADD', REMOVED, buried)
  also_all('ZREM', REMOVED, revived)
  also_all('ZREM', EXPIRIES, endless)
  also_all('ZADD', EXPIRIES, due)
  -- A write that adds no tombstone seldom looks at them, because that costs as much as its own index.
  if #buried > 0 or arguments.random % PRUNE_EVERY == 0 then
    also(prune_tombstones, sid, counts, #buried / 2)
  end

  collection[REVISION], collection[UPDATED], collection[MARK] = text(last), text(now()), arguments.mark
  collection[WRITER] = changes[#changes].item.writer
  local ttl = arguments.collection_ttl
  if ttl then
    collection[EXPIRES] = ttl == '0' and '' or text(now() + ttl * 1000)
  end
  local fields = {'r', collection[REVISION], 'u', collection[UPDATED], 'w', collection[WRITER], 'm', collection[MARK]}
  if ttl then
    append(fields, 'x', collection[EXPIRES])
  end
  for index, name in ipairs(COUNTS) do
    if counts[name] ~= tonumber(collection.counts[index] or 0) then
      append(fields, COUNT_FIELDS[index], text(counts[name]))
    end
  end
  also_all('HSET', HEADER .. sid, fields)
  if ttl and collection[EXPIRES] ~= '' then
    also(redis.call, 'ZADD', EXPIRIES, collection[EXPIRES], sid)
  elseif ttl then
    also(redis.call, 'ZREM', EXPIRIES, sid)
  end
end

-- The reply of an applied write. `data` replaces the data of live items, to leave it out of what is remembered.
local function changes_reply(collection, changes, data)
  local answer = {unpack(collection)}
  for _, change in ipairs(changes) do
    local n = #answer
    answer[n + 1], answer[n + 2], answer[n + 3] = change.kind, change.expired and '1' or '', change.item.key
    answer[n + 4] = data and pack_item(change.item, data) or change.record
    answer[n + 5] = data or (not change.item.data and change.before and change.before.data) or ''
  end
  return answer
end

-- Its `r` is the revision that the collection would have without the changes after this one. So the revisions of one
-- collection's webhooks grow from one to the next, those of a batch too.
local function queue_item_webhook(collection, change, data)
  if arguments.webhooks_limit and (change.expired or arguments.webhooks_reports) then
    local revision = text(change.item.revision)
    also(append_webhook, tag, tonumber(arguments.webhooks_limit),
         {k = TYPE .. '_item_' .. change.kind, o = collection[SID], n = collection[NAME], r = revision,
          d = data, i = change.item.writer, e = not change.expired and arguments.endpoint or '', y = change.item.key,
          v = revision})
  end
end

-- Publishes one event for all changes: a line of JSON, then the data of each change, one after the other. Webhooks before it.
local function announce_changes(collection, previous, changes)
  local heads, bodies = {}, {}
  for index, change in ipairs(changes) do
    local item, before = change.item, change.before or {}
    local data = item.data or before.data or ''
    bodies[index] = data
    heads[index] = {kind = change.kind, key = item.key, revision = text(item.revision), born = text(item.born), size = #data,
                    created = text(item.created or before.created or 0), creator = item.creator or before.creator or '',
                    expires = item.data and item.expires ~= 0 and text(item.expires) or '', expired = change.expired}
    queue_item_webhook(collection, change, data)
  end
  announce(collection[SID], {kind = 'items', name = collection[NAME], revision = collection[REVISION], previous = previous,
                            at = collection[UPDATED], by = collection[WRITER], expires = collection[EXPIRES], changes = heads}, table.concat(bodies))
end
