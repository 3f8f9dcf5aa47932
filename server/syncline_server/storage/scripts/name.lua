-- One step with a unique name whose document lives in another bucket, because its SID was chosen by who created it.
--
-- In place of the SID, the names of a bucket then hold a pointer: the SID, then `:` and a random tag, which tells two pointers
-- to one SID apart. A name that is claimed for a document that is being created has `?`, the time of the claim in ms, and `:` there.
--
-- KEYS[1]  `{service:bucket}` of the name
-- ARGV     verb, name, then by verb:
--          "claim"    SID, random tag
--          "confirm"  pointer as it was claimed, random tag: the document is there
--          "release"  pointer as it was seen, "1" to release a claim however young it is: its document is not there
--          "look"
-- Returns  "claim": {"ok", pointer} | {"taken", SID or pointer}; "confirm": {"ok"} | {"lost"} (another document has the name);
--          "release": {"ok"} | {"claimed"} (its document may still come); "look": {SID or pointer}, "" for none

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
  -- Another tag: who saw the claim before there was a document must not release it now.
  redis.call('HSET', NAMES, name, sid .. ':' .. ARGV[4])
  return {'ok'}
end

if verb == 'release' then
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
