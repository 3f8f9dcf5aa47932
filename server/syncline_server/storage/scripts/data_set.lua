-- Who a data set is: an id of its own, and the account whose it is. Whoever comes first gives it both.
--
-- KEYS[1]  `{syncline}`
-- ARGV     the id that it gets if it has none, the account that it gets if it has none ("" = none)
-- Returns  {id, account}

local DATA_SET = KEYS[1] .. ':data-set'

for index, name in ipairs({'id', 'account'}) do
  if ARGV[index] ~= '' and not redis.call('HGET', DATA_SET, name) then
    redis.call('HSET', DATA_SET, name, ARGV[index])
  end
end
return redis.call('HMGET', DATA_SET, 'id', 'account')
