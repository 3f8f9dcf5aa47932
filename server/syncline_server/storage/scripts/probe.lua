-- Tries a write that changes nothing: with XX nothing is added to a set, and there is none. So
-- nothing goes to the append-only file or to a replica, but whatever refuses writes refuses it.
--
-- KEYS[1]  a key that nobody uses
-- Returns  0

return redis.call('ZADD', KEYS[1], 'XX', 0, 'probe')
