-- Acknowledge one entry and append its receipts, once.
-- KEYS  stream, ledger, then one stream per receipt
-- ARGV  group, entry id, stream name, then per receipt: stream name, count, tag, writer, body, digest
if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 0 end
local ledger, ends, update = KEYS[2], {}, {}
for i = 3, #KEYS do
  local at = 4 + (i - 3) * 6
  local name, count = ARGV[at], tonumber(ARGV[at + 1])
  local last = (ends[name] or tonumber(redis.call('HGET', ledger, 'end:' .. name) or '0')) + count
  redis.call('XADD', KEYS[i], string.format('%.0f-%.0f', last, count), 't', ARGV[at + 2], 'w', ARGV[at + 3], 'b', ARGV[at + 4], 'd', ARGV[at + 5])
  ends[name] = last
end
for name, last in pairs(ends) do
  update[#update + 1] = 'end:' .. name
  update[#update + 1] = string.format('%.0f', last)
end
-- Where the group is to be made anew if it gets lost: before the oldest entry that is still pending.
local pending = redis.call('XPENDING', KEYS[1], ARGV[1])
local place = pending[2] and ('before ' .. pending[2]) or ('after ' .. ARGV[2])
update[#update + 1] = 'settled:' .. ARGV[1] .. ':' .. ARGV[3]
update[#update + 1] = place
redis.call('HSET', ledger, unpack(update))
return 1
