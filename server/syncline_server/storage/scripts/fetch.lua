-- Reads the newest state of one document.
--
-- KEYS[1]  `{service:bucket}`
-- ARGV     SID ("" = find it by its name), unique name (with a SID: "" = any), identity, rights that the identity needs, as
--          bits ("" = permissions are not checked)
-- Returns  as document.lua with status "ok", or {"forbidden"}, {"moved", pointer}, {"absent", when}. A document past its expiry
--          is absent, swept or not. when: Redis' clock in ms at the latest end of a document of this bucket; "" if there was
--          none lately.

local SID_LENGTH = 34

local tag, sid, needs = KEYS[1], ARGV[1], ARGV[4]
if sid == '' then
  sid = redis.call('HGET', tag .. ':names', ARGV[2])
  if sid and #sid > SID_LENGTH then
    return {'moved', sid}
  end
end
local f = sid and redis.call('HMGET', tag .. ':document:' .. sid, 'n', 'r', 'd', 'c', 'u', 'x', 'b', 'w', 'm')
if not f or not f[2] or (ARGV[2] ~= '' and f[1] ~= ARGV[2]) then
  return {'absent', redis.call('GET', tag .. ':last_ended') or ''}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if f[6] ~= '' and tonumber(f[6]) <= now then
  return {'absent', string.format('%.0f', now)}
end
if needs ~= '' then
  local rights = redis.call('HGET', tag .. ':permissions:' .. sid, ARGV[3]) or 0
  if bit.band(tonumber(rights), tonumber(needs)) ~= tonumber(needs) then
    return {'forbidden'}
  end
end
return {'ok', sid, f[1], f[2], f[3], f[4], f[5], f[6], f[7], f[8], f[9]}
