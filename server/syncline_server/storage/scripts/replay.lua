-- Reads what changed in a collection since a revision: live items at their newest state, and removals. Only reads.
--
-- The cost is that of the changed items, whatever the size of the collection or the length of the absence.
--
-- KEYS[1]  `{service:bucket}`
-- ARGV     by name: type, sid, identity, needs as of fetch.lua, and
--            since   the revision that the reader has
--            count   how many changes, at most
--            bytes   stop when their records exceed this; at least one change comes
-- Returns  as fetch.lua, then
--            ""       that is all
--            revision more follows: read again since this revision
--            "reset"  tombstones from after `since` were dropped: the reader must read the pages again
--          then key, record, key, record … in order of revision. The removal of an item that was created after `since` is left
--          out: the reader never had it.

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

local count, bytes = tonumber(arguments.count), tonumber(arguments.bytes)
local ITEMS, CHANGES, REMOVED = items_key('items', header[SID]), items_key('changes', header[SID]), items_key('removed', header[SID])
local after = '(' .. arguments.since
local changed = redis.call('ZRANGEBYSCORE', CHANGES, after, '+inf', 'WITHSCORES', 'LIMIT', 0, count + 1)
local removed = redis.call('ZRANGEBYSCORE', REMOVED, after, '+inf', 'WITHSCORES', 'LIMIT', 0, count + 1)

-- Both in one order of revision, and whether more follow. What is omitted counts too: the work of one run is bounded.
local keys, revisions, total, c, r = {}, {}, 0, 1, 1
while total < count and (changed[c] or removed[r]) do
  total = total + 1
  -- The older of the two heads.
  if not removed[r] or (changed[c] and tonumber(changed[c + 1]) < tonumber(removed[r + 1])) then
    keys[total], revisions[total], c = changed[c], changed[c + 1], c + 2
  else
    keys[total], revisions[total], r = removed[r], removed[r + 1], r + 2
  end
end
local more = changed[c] or removed[r]

-- Records that one command reads: few, because those beyond `bytes` are read in vain.
local AT_ONCE <const> = 20

local taken, last = 0, state_at
for first = 1, total, AT_ONCE do
  local records = redis.call('HMGET', ITEMS, unpack(keys, first, math.min(first + AT_ONCE - 1, total)))
  for index, record in ipairs(records) do
    local at = first + index - 1
    if at > 1 and taken > bytes then
      answer[state_at] = revisions[at - 1]
      return answer
    end
    local is_sent
    if record and is_live_record(record) then
      -- A live item past its expiry is omitted: its removal follows as an event of its own.
      is_sent = not is_due_record(record)
    elseif record then
      is_sent = struct.unpack('>d', record, BORN_AT) <= since
    end
    if is_sent then
      answer[last + 1], answer[last + 2] = keys[at], record
      last, taken = last + 2, taken + #record
    end
  end
end
if more then
  answer[state_at] = revisions[total]
end
return answer
