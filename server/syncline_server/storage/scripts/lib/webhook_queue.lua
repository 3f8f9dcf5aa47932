-- Queue of webhooks of one bucket, a stream.
--
-- `limit` is how many webhooks may wait; beyond it the oldest are dropped and counted. `event` holds fields by name:
-- k(ind) o(bject) n(ame) r(evision) d(ata) i(dentity) e(ndpoint), of an item also y (its key) and v (its revision); empty ones
-- are not stored.

local function append_webhook(bucket, limit, event)
  local queue = bucket .. ':webhooks'
  local fields = {}
  for name, value in pairs(event) do
    if value ~= '' then
      fields[#fields + 1] = name
      fields[#fields + 1] = value
    end
  end
  -- Add before trimming: if Redis refuses the new webhook, no other one has been dropped for it.
  redis.call('XADD', queue, '*', unpack(fields))
  local excess = redis.call('XLEN', queue) - limit
  if excess > 0 then
    redis.call('XTRIM', queue, 'MAXLEN', limit)
    redis.call('INCRBY', queue .. ':dropped', excess)
  end
end

