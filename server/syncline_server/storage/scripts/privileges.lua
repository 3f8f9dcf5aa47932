-- Tries every command that the server needs, and reports those that the Redis user may not call.
--
-- Redis checks the user's rights before the arguments. So most commands are called in a way that changes nothing: on a key
-- that does not exist, or with an argument that the command itself refuses.
--
-- KEYS[1]  `{service:bucket}` of a service that does not exist
-- ARGV     by name: publish, "PUBLISH" | "SPUBLISH"; channel to try it on
-- Returns  Redis' words for each command that the user may not call; {} if it may do everything

local HASH, NAMES, STRING = tag .. ':document:privileges', tag .. ':names', tag .. ':operation:privileges'
local SORTED, SET, OTHER_SET = tag .. ':expiries', tag .. ':endpoints:privileges', tag .. ':endpoints:privileges:alive'
local STREAM = tag .. ':webhooks'

local ATTEMPTS = {
  {'TIME'},
  {'DEL', HASH}, {'UNLINK', tag .. ':permissions:privileges', tag .. ':identities:privileges'},
  {'EXISTS', tag .. ':void:privileges'}, {'PEXPIRE', STRING, 1},
  {'GET', STRING}, {'MGET', STRING}, {'SET', STRING, '', 'XX'},
  {'GETDEL', STREAM .. ':dropped'}, {'INCRBY', STREAM .. ':dropped', 'none'},
  {'HGET', NAMES, 'f'}, {'HMGET', HASH, 'f'}, {'HGETALL', HASH}, {'HVALS', HASH}, {'HKEYS', HASH}, {'HLEN', HASH},
  {'HSCAN', HASH, 0}, {'TYPE', HASH}, {'RENAME', STRING, STRING},
  {'HEXISTS', HASH, 'f'}, {'HDEL', NAMES, 'f'}, {'HSET', HASH, 'f', 'v', 'odd'},
  {'ZADD', SORTED, 'XX', 0, 'm'}, {'ZREM', tag .. ':documents', 'm'}, {'ZCARD', SORTED}, {'ZSCORE', SORTED, 'm'},
  {'ZRANGE', SORTED, 0, 0}, {'ZRANGEBYSCORE', SORTED, 0, 0}, {'ZRANGEBYLEX', SORTED, '-', '+'},
  {'ZREVRANGEBYLEX', SORTED, '+', '-'}, {'ZREMRANGEBYRANK', SORTED, 0, 0},
  -- SADD cannot be called without adding a member; SREM removes it again.
  {'SADD', SET, 'm'}, {'SREM', SET, 'm'}, {'SISMEMBER', SET, 'm'}, {'SCARD', SET}, {'SMEMBERS', SET}, {'SRANDMEMBER', SET, 1},
  {'SMOVE', SET, OTHER_SET, 'm'},
  {'XADD', STREAM, 'none', 'f', 'v'}, {'XLEN', STREAM}, {'XTRIM', STREAM, 'MAXLEN', 0}, {'XDEL', STREAM, '0-1'},
  {'XRANGE', STREAM, '-', '+'}, {'XACK', STREAM, 'g', '0-1'}, {'XGROUP', 'CREATE', STREAM, 'g', '0'},
  {'XREADGROUP', 'GROUP', 'g', 'c', 'STREAMS', STREAM, '>'},
  {arguments.publish, arguments.channel, ''},
  {'PUBSUB', 'NUMPAT'},
}

local refused = {}
for _, attempt in ipairs(ATTEMPTS) do
  local reply = redis.pcall(unpack(attempt))
  local words = type(reply) == 'table' and reply.err or ''
  -- Outside of scripts the error begins with NOPERM; within, each kind and version of server words it differently.
  if words:find('NOPERM', 1, true) or words:find('The user executing the script', 1, true)
    or words:find('ACL failure in script', 1, true) then
    local name = attempt[1] .. (attempt[2] and ' ' .. attempt[2] or '')
    refused[#refused + 1] = name .. ': ' .. words
  end
end
return refused
