-- Reads what has become of a commit of items whose reply was lost; only reads.
--
-- Each record has the mark of its last write. So rivals that wrote other items meanwhile hide nothing.
--
-- KEYS[1]  `{service:bucket}`
-- ARGV     by name: sid | name as of fetch.lua; `mark` and `writes` of the commit, as of item.lua; and
--            since     lowest revision that the commit can have
--            since_ms  Redis' clock then, or earlier
-- Returns  {"applied", header …, kind, "", key, record, "", kind, …}  as item.lua, without the data of removed items
--          {"unapplied", header …}  it was not applied
--          {"unknown", header …}    nobody can say: the items were written or removed since
--          or a refusal of `readable`

local header, refusal = readable()
if not header then
  return refusal
end
local sid, since = header[SID], tonumber(arguments.since)

-- Records that are looked at for items whose index the script gave, at most.
local SCANNED <const> = 1000

-- False if a tombstone of this write, or the whole collection, may be gone since.
local ended = redis.call('GET', tag .. ':last_ended')
local keeps_all = tonumber(redis.call('HGET', HEADER .. sid, 'h') or 0) < since
                  and (not ended or tonumber(ended) < tonumber(arguments.since_ms))

-- All items are written or none: what shows one shows all.
local is_unapplied = tonumber(header[REVISION]) < since
local found, is_known, count, appends = {}, {}, 0, false
for _, write in ipairs(cjson.decode(arguments.writes)) do
  count = count + 1
  local item = write.k and load_item(sid, write.k)
  if not write.k then
    appends = true
  elseif not item then
    is_unapplied = is_unapplied or keeps_all
  elseif item.mark == arguments.mark then
    found[#found + 1], is_known[write.k] = item, true
  elseif item.revision < since or item.revision == write.m then
    is_unapplied = true
  end
end

if appends and not is_unapplied then
  local is_complete = keeps_all
  for _, part in ipairs({'changes', 'removed'}) do
    local keys = redis.call('ZRANGEBYSCORE', items_key(part, sid), arguments.since, '+inf', 'LIMIT', 0, SCANNED)
    is_complete = is_complete and #keys < SCANNED
    for _, key in ipairs(keys) do
      local item = not is_known[key] and load_item(sid, key)
      if item and item.mark == arguments.mark then
        found[#found + 1] = item
      elseif item and item.born >= since and item.revision > item.born then
        -- Created since, and written again: perhaps by this commit and then by a rival.
        is_complete = false
      end
    end
  end
  is_unapplied = is_complete and #found == 0
end

if #found == count then
  header[STATUS] = 'applied'
  table.sort(found, function(one, other) return one.revision < other.revision end)
  for _, item in ipairs(found) do
    local n = #header
    header[n + 1] = not item.data and 'removed' or item.born == item.revision and 'added' or 'updated'
    header[n + 2], header[n + 3], header[n + 4], header[n + 5] = '', item.key, pack_item(item), ''
  end
  return header
end
header[STATUS] = is_unapplied and 'unapplied' or 'unknown'
return header
