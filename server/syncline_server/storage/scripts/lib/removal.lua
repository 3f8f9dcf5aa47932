-- Removal of an object of any type.

-- 25 h, longer than any token: the name that a connection cached for a SID must stay true.
local ENDED_MS <const> = 90000000

-- Name of an expired object that was removed here, while another bucket still has its pointer.
local orphan = ''

-- Removes an object, which has the removal's revision then.
local function drop(object, by, expired)
  local sid, name, previous = object[SID], object[NAME], object[REVISION]
  local revision = next_revision(previous)
  object[REVISION] = revision
  if redis.call('HGET', HEADER .. sid, 'k') then
    -- An object whose SID was chosen (field `k`) can be created again. Remember its last revision, from which it must go on,
    -- and its name, the only one that the SID may have for ENDED_MS. Before the DEL: without this record, a new object
    -- would follow the clocks alone, and could get a revision that was used before (promise 2).
    redis.call('SET', tag .. ':ended:' .. sid, revision .. ' ' .. name, 'PX', ENDED_MS)
  end
  redis.call('DEL', HEADER .. sid)
  -- A caller that lost the reply to a write and finds no object reads here whether the object may be gone again since.
  also(redis.call, 'SET', tag .. ':last_ended', text(now()), 'PX', arguments.operation_ms)
  -- The revision of the removal is used once, so it tells these keys from those of an object that has the SID again later.
  discard('permissions:' .. sid, 'HLEN', revision)
  discard('identities:' .. sid, 'ZCARD', revision)
  for part in string.gmatch(PARTS, '%S+') do
    discard(part .. ':' .. sid, part == 'items' and 'HLEN' or 'ZCARD', revision)
  end
  also(redis.call, 'ZREM', tag .. ':' .. PLURAL, sid)
  also(redis.call, 'ZREM', tag .. ':expiries', sid)
  if name ~= '' and also(redis.call, 'HDEL', tag .. ':' .. NAMES, name) == 0 then
    orphan = name
  end
  queue_webhook('removed', object, by, '', expired)
  announce(sid, {kind = expired and 'expired' or 'removed', name = name, revision = revision, previous = previous,
                 at = text(now()), by = by}, '')
end
