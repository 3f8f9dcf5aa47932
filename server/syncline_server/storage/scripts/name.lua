-- One change to a unique name whose document lives in another bucket, because the caller chose its SID.
--
-- The hash of names then holds a pointer instead of a SID:
--   confirmed  the SID, `:`, and a random tag that distinguishes two pointers to one SID
--   claimed    the SID, `?`, the time of the claim in ms, `:`, and a random tag: the document is being created
-- A claim that is not confirmed within CLAIM_MS may be released by any reader that finds no document.
--
-- KEYS[1]  `{service:bucket}` of the name
-- ARGV     verb, name, then by verb:
--          "claim"    SID, random tag
--          "confirm"  pointer as it was claimed, random tag: the document was created
--          "release"  pointer as the caller saw it, "1" to release a claim of any age: the document does not exist
--          "look"
-- Returns  "claim": {"ok", pointer} | {"taken", SID or pointer}; "confirm": {"ok"} | {"lost"} (another document has the name);
--          "release": {"ok"} | {"claimed"} (its document may still be created); "look": {SID or pointer}, "" for none

local SID_LENGTH, CLAIM_MS = 34, 60000

local verb, name = ARGV[1], ARGV[2]
local NAMES = KEYS[1] .. ':names'
local existing = redis.call('HGET', NAMES, name)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function is_pointer_to(sid)
  return existing and #existing > SID_LENGTH and existing:sub(1, SID_LENGTH) == sid
end

if verb == 'claim' then
  if existing and not is_pointer_to(ARGV[3]) then
    return {'taken', existing}
  end
  local pointer = ARGV[3] .. '?' .. string.format('%.0f', now) .. ':' .. ARGV[4]
  redis.call('HSET', NAMES, name, pointer)
  return {'ok', pointer}
end

if verb == 'confirm' then
  local sid = ARGV[3]:sub(1, SID_LENGTH)
  if not is_pointer_to(sid) then
    return {'lost'}
  end
  -- A new tag: a reader that found no document just before it was created still has the old pointer, and its "release"
  -- must not free the name now.
  redis.call('HSET', NAMES, name, sid .. ':' .. ARGV[4])
  return {'ok'}
end

if verb == 'release' then
  -- The name has changed since the caller saw the pointer: nothing to release.
  if existing ~= ARGV[3] then
    return {'ok'}
  end
  local claimed = existing:match('^%w+%?(%d+):')
  if claimed and ARGV[4] ~= '1' and now - claimed < CLAIM_MS then
    return {'claimed'}
  end
  redis.call('HDEL', NAMES, name)
  return {'ok'}
end

return {existing or ''}
