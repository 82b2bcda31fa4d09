#!lua flags=allow-oom
-- Say that a member wants work, or no longer.  KEYS members   ARGV owner, beat (empty: no longer)   -> all members
-- Allowed without memory left, as leases and fences are: who makes room must keep what it owns.
if ARGV[2] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
end
return redis.call('HGETALL', KEYS[1])
