-- Reads what changed in a collection since a revision: live items at their newest state, and removals. Only reads.
--
-- The cost is that of the changed items, whatever the size of the collection or the length of the absence.
--
-- KEYS[1]  `{service:bucket}`
-- ARGV     by name: type, sid, identity, needs as of fetch.lua, and
--            since   the revision that the reader has
--            count   how many changes, at most
--            bytes   stop when their records exceed this; at least one change comes
--            reuses  1: a key can be used again after its removal; absent: never, as the indexes of a list
-- Returns  as fetch.lua, then
--            ""       that is all
--            revision more follows: read again since this revision
--            "reset"  tombstones from after `since` were dropped: the reader must read the pages again
--          then key, record, key, record … in order of revision. Where keys are not used again, the removal of an item that was
--          created after `since` is left out: the reader never had it. Where they are, the reader may have an earlier item with
--          that key, of which the tombstone does not know.

local header, refusal = readable()
if not header then
  return refusal
end
local answer = {unpack(header)}
local state_at = #answer + 1
answer[state_at] = ''

local since = tonumber(arguments.since)
if since < tonumber(redis.call('HGET', HEADER .. header[SID], 'h') or 0) then
  answer[state_at] = 'reset'
  return answer
end

local count, bytes, taken, found = tonumber(arguments.count), tonumber(arguments.bytes), 0, 0
local ITEMS, CHANGES, REMOVED = items_key('items', header[SID]), items_key('changes', header[SID]), items_key('removed', header[SID])
local after = '(' .. arguments.since
local changed = redis.call('ZRANGEBYSCORE', CHANGES, after, '+inf', 'WITHSCORES', 'LIMIT', 0, count + 1)
local removed = redis.call('ZRANGEBYSCORE', REMOVED, after, '+inf', 'WITHSCORES', 'LIMIT', 0, count + 1)
local c, r, reached = 1, 1, nil
while changed[c] or removed[r] do
  -- The older of the two heads.
  if found == count or (found > 0 and taken > bytes) then
    answer[state_at] = reached
    return answer
  end
  local key
  if not removed[r] or (changed[c] and tonumber(changed[c + 1]) < tonumber(removed[r + 1])) then
    key, reached, c = changed[c], changed[c + 1], c + 2
  else
    key, reached, r = removed[r], removed[r + 1], r + 2
  end
  local record = redis.call('HGET', ITEMS, key)
  if record then
    local item = unpack_item(record)
    -- A live item past its expiry is omitted: its removal follows as an event of its own.
    if (item.data and not is_due(item)) or (not item.data and (arguments.reuses or item.born <= since)) then
      answer[#answer + 1] = key
      answer[#answer + 1] = record
      taken = taken + #record
    end
  end
  -- Also counts what is omitted: the work of one run is bounded.
  found = found + 1
end
return answer
