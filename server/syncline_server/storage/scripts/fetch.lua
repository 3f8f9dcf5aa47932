-- Reads the newest state of one object.
--
-- KEYS[1]  `{service:bucket}`
-- ARGV     by name: those of lib/{object,rights}.lua
-- Returns  {"ok", …}, or {"forbidden"}, {"moved", pointer}, {"absent", when}. An object past its expiry is absent, swept or not.
--          when: Redis' clock in ms at the latest end of an object of this bucket; "" if there was none lately.

local object, pointer = find()
if pointer then
  return {'moved', pointer}
end
if not object then
  return {'absent', redis.call('GET', tag .. ':last_ended') or ''}
end
if is_past(object) then
  return {'absent', text(now())}
end
return rights_for(object[SID]) and object or {'forbidden'}
