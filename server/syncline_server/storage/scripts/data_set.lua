-- Id and owning account of the data set. The first server to connect sets both; later servers read them.
--
-- KEYS[1]  `{syncline}`
-- ARGV     id to set if there is none, account to set if there is none ("" = set none)
-- Returns  {id, account}

local DATA_SET = KEYS[1] .. ':data-set'

for index, name in ipairs({'id', 'account'}) do
  if ARGV[index] ~= '' and not redis.call('HGET', DATA_SET, name) then
    redis.call('HSET', DATA_SET, name, ARGV[index])
  end
end
return redis.call('HMGET', DATA_SET, 'id', 'account')
