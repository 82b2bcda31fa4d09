-- Append an entry's receipts and acknowledge it, once.
-- KEYS  stream, ledger, then one stream per receipt
-- ARGV  group, entry id, stream name, then per receipt: stream name, count, tag, writer, body, digest, columns
-- The acknowledgement comes last: unlike the others it is allowed without memory left, and would lose the receipts.
local group, id, ledger = ARGV[1], ARGV[2], KEYS[2]
if #redis.call('XPENDING', KEYS[1], group, id, id, 1) == 0 then return 0 end
-- Where the group is to be made anew if it gets lost: before the oldest entry that is still pending, or after all
-- that it was given.
local pending = redis.call('XPENDING', KEYS[1], group, '-', '+', 2)
local oldest = pending[1]
if oldest[1] == id then oldest = pending[2] end
local place = oldest and ('before ' .. oldest[1])
if not place then
  for _, about in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    local said = {}
    for i = 1, #about, 2 do said[about[i]] = about[i + 1] end
    if said['name'] == group then place = 'after ' .. said['last-delivered-id'] end
  end
end
local ends, update = {}, {'settled:' .. group .. ':' .. ARGV[3], place}
for i = 3, #KEYS do
  local at = 4 + (i - 3) * 7
  local name, count = ARGV[at], tonumber(ARGV[at + 1])
  local last = (ends[name] or tonumber(redis.call('HGET', ledger, 'end:' .. name) or '0')) + count
  local fields = {'t', ARGV[at + 2], 'w', ARGV[at + 3], 'b', ARGV[at + 4], 'd', ARGV[at + 5]}
  if ARGV[at + 6] ~= '' then fields[9], fields[10] = 'c', ARGV[at + 6] end
  redis.call('XADD', KEYS[i], string.format('%.0f-%.0f', last, count), unpack(fields))
  ends[name] = last
end
for name, last in pairs(ends) do
  update[#update + 1] = 'end:' .. name
  update[#update + 1] = string.format('%.0f', last)
end
redis.call('HSET', ledger, unpack(update))
return redis.call('XACK', KEYS[1], group, id)
