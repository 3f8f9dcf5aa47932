-- Begins every script that queues webhooks: the queue is a stream in the bucket of what they tell of.
--
-- `limit` is how many may wait; the oldest give way, and are counted. `event` holds names and values:
-- k(ind) o(bject) n(ame) r(evision) d(ata) i(dentity) e(ndpoint); none is empty.

local function append(bucket, limit, event)
  local queue = bucket .. ':webhooks'
  local fields = {}
  for name, value in pairs(event) do
    if value ~= '' then
      fields[#fields + 1] = name
      fields[#fields + 1] = value
    end
  end
  -- The new one first: none gives way to one that is refused.
  redis.call('XADD', queue, '*', unpack(fields))
  local excess = redis.call('XLEN', queue) - limit
  if excess > 0 then
    redis.call('XTRIM', queue, 'MAXLEN', limit)
    redis.call('INCRBY', queue .. ':dropped', excess)
  end
end

