-- Append an entry's receipts and acknowledge it, once.
-- KEYS  stream, ledger, then the streams of the receipts
-- ARGV  group, entry id, stream name, then the frames of the receipts
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
local update = {'settled:' .. group .. ':' .. ARGV[3], place}
append_frames(ledger, 3, 4, update)
redis.call('HSET', ledger, unpack(update))
return redis.call('XACK', KEYS[1], group, id)
