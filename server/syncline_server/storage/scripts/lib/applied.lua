-- What follows the first write of a script.
--
-- Redis does not roll a script back when one of its commands fails. So the order is a promise:
--   1. Check. Nothing is written before every check has passed (one exception: an expired object is removed on the way).
--   2. The first write decides: if Redis refuses it, the script ends with an error and no reader sees a change.
--   3. Every later command runs through `also`: the write is applied by now and must be answered as applied, even if Redis
--      refuses an index, a webhook or the event (promise 1). The reply then names what it refused.
--   4. Publish last: a subscriber that reads the object on receiving the event finds everything written.

local trouble

local function also(run, ...)
  local done, result = pcall(run, ...)
  if done then
    return result
  end
  trouble = type(result) == 'table' and result.err or tostring(result)
end

-- The reply of a script that has written: {"trouble", Redis' words, reply} if Redis refused a later command.
local function answered(answer)
  return trouble and {'trouble', trouble, answer} or answer
end
