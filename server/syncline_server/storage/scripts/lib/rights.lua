-- Rights of the caller for one object, as bits (`Right`).
--
-- identity
-- needs     rights that the identity must have; absent = permissions are not checked

local READ_RIGHT <const> = 1
local ALL_RIGHTS <const> = 7

-- The rights; nil if they are not enough.
local function rights_for(sid)
  local needs = arguments.needs
  if not needs then
    return ALL_RIGHTS
  end
  if HAS_PERMISSIONS == 'no' then
    -- No rights are stored for an object of this type: its creator has all, others have what needs none.
    return redis.call('HGET', HEADER .. sid, 'b') == arguments.identity and ALL_RIGHTS or nil
  end
  local rights = tonumber(redis.call('HGET', tag .. ':permissions:' .. sid, arguments.identity) or 0)
  return bit.band(rights, needs) == tonumber(needs) and rights or nil
end
