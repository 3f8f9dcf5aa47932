-- Renews a lease or gives it back. (SET NX PX takes one.)
--
-- KEYS[1]  key of the lease
-- ARGV     name of the holder, ms for which the lease lasts from now; 0 gives it back
-- Returns  1 if that holder had the lease, else 0

if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[1])
else
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 1
