#!lua flags=allow-oom
-- Keep a snapshot and the one before; also when the server has no memory left, because what is older can go then.
-- KEYS ledger, snapshot, previous   ARGV task, token, position, ends, digest, data, maker
local seen = redis.call('HGET', KEYS[1], 'token:' .. ARGV[1])
if seen and tonumber(seen) > tonumber(ARGV[2]) then return {'FENCED', seen} end
if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('RENAME', KEYS[2], KEYS[3]) end
redis.call('HSET', KEYS[2], 'position', ARGV[3], 'ends', ARGV[4], 'digest', ARGV[5], 'data', ARGV[6], 'maker', ARGV[7])
return {'OK'}
