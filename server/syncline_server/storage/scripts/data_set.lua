-- Id and owning account of the data set. The first server to connect sets both; later servers read them.
--
-- KEYS[1]  `{syncline}`
-- ARGV     by name: id to set if there is none; account to set if there is none, absent = set none
-- Returns  {id, account}

local DATA_SET = tag .. ':data-set'

for _, name in ipairs({'id', 'account'}) do
  if arguments[name] and not redis.call('HGET', DATA_SET, name) then
    redis.call('HSET', DATA_SET, name, arguments[name])
  end
end
return redis.call('HMGET', DATA_SET, 'id', 'account')
