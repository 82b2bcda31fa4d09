-- Append operational events.  KEYS ledger, stream   ARGV the frames   -> the last ordinal
local update = {}
append_frames(KEYS[1], 2, 1, update)
redis.call('HSET', KEYS[1], unpack(update))
return tonumber(update[2])
