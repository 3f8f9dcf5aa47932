-- The object that a write of an existing object addresses, after every check.
--
-- if_match  revision that the object must be at; absent = any

-- Returns the object, nil and the caller's rights for it; or nil and the reply of a write that is refused:
--   as `earlier_answer`
--   {"moved", pointer}  the object with that name lives in another bucket
--   {"absent", name}    name: of an expired object that was removed here, while another bucket still has its pointer; else ""
--   {"forbidden"}       the identity lacks the rights
--   {"mismatch", …}     the object is at another revision; without the object for an identity that may not read it
local function target()
  local first_answer = earlier_answer()
  if first_answer then
    return nil, first_answer
  end
  local object, pointer = find()
  if pointer then
    return nil, {'moved', pointer}
  end
  -- An object past its expiry is absent, swept or not. The write that finds it first removes it and publishes that.
  if object and is_past(object) then
    drop(object, 'system', true)
    object = nil
  end
  if not object then
    return nil, answered({'absent', orphan})
  end
  local rights = rights_for(object[SID])
  if not rights then
    return nil, {'forbidden'}
  end
  if arguments.if_match and arguments.if_match ~= object[REVISION] then
    object[STATUS] = 'mismatch'
    return nil, bit.band(rights, READ_RIGHT) ~= 0 and object or {'mismatch'}
  end
  return object, nil, rights
end
