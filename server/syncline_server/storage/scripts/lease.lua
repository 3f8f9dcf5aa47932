-- Renews a lease or gives it back. (SET NX PX takes one.)
--
-- KEYS[1]  key of the lease
-- ARGV     by name: holder; ms, for which the lease lasts from now: 0 gives it back
-- Returns  1 if that holder had the lease, else 0

if redis.call('GET', tag) ~= arguments.holder then
  return 0
end
if arguments.ms == '0' then
  redis.call('DEL', tag)
else
  redis.call('PEXPIRE', tag, arguments.ms)
end
return 1
