-- Append operational events.  KEYS ledger, stream   ARGV stream name, then per frame: count, tag, writer, body, digest
local last = tonumber(redis.call('HGET', KEYS[1], 'end:' .. ARGV[1]) or '0')
for at = 2, #ARGV, 5 do
  last = last + tonumber(ARGV[at])
  redis.call('XADD', KEYS[2], string.format('%.0f-%s', last, ARGV[at]), 't', ARGV[at + 1], 'w', ARGV[at + 2], 'b', ARGV[at + 3], 'd', ARGV[at + 4])
end
redis.call('HSET', KEYS[1], 'end:' .. ARGV[1], string.format('%.0f', last))
return last
