-- Tries a write that changes nothing: ZADD with XX adds no member, and the set does not exist.
-- Nothing reaches the append-only file or a replica, but a Redis that refuses writes refuses this.
--
-- KEYS[1]  a key without any other use
-- Returns  0

return redis.call('ZADD', KEYS[1], 'XX', 0, 'probe')
