-- The object that a read addresses, after every check.
--
-- Returns the object; or nil and the reply of a read that is refused:
--   {"moved", pointer}  the object with that name lives in another bucket
--   {"forbidden"}       the identity lacks the rights
--   {"absent", when}    when: Redis' clock in ms at the latest end of an object of this bucket; "" if there was none lately.
--                       An object past its expiry is absent, swept or not.
local function readable()
  local object, pointer = find()
  if pointer then
    return nil, {'moved', pointer}
  end
  if not object then
    return nil, {'absent', redis.call('GET', tag .. ':last_ended') or ''}
  end
  if is_past(object) then
    return nil, {'absent', text(now())}
  end
  if not rights_for(object[SID]) then
    return nil, {'forbidden'}
  end
  return object
end
