-- Append operational events.  KEYS ledger, stream
-- ARGV stream name, then per frame: count, tag, writer, body, digest, columns
local last = tonumber(redis.call('HGET', KEYS[1], 'end:' .. ARGV[1]) or '0')
for at = 2, #ARGV, 6 do
  last = last + tonumber(ARGV[at])
  local fields = {'t', ARGV[at + 1], 'w', ARGV[at + 2], 'b', ARGV[at + 3], 'd', ARGV[at + 4]}
  if ARGV[at + 5] ~= '' then fields[9], fields[10] = 'c', ARGV[at + 5] end
  redis.call('XADD', KEYS[2], string.format('%.0f-%s', last, ARGV[at]), unpack(fields))
end
redis.call('HSET', KEYS[1], 'end:' .. ARGV[1], string.format('%.0f', last))
return last
