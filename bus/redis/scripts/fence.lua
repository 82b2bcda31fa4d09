#!lua flags=allow-oom
-- Shut out every smaller token.  KEYS ledger   ARGV task, token   -> {'OK', position} or {'FENCED', token seen}
local seen = redis.call('HMGET', KEYS[1], 'token:' .. ARGV[1], 'position:' .. ARGV[1])
if seen[1] and tonumber(seen[1]) > tonumber(ARGV[2]) then return {'FENCED', seen[1]} end
redis.call('HSET', KEYS[1], 'token:' .. ARGV[1], ARGV[2])
return {'OK', seen[2] or ''}
