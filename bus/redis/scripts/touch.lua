-- Keep pending entries as ours, and note how often they were begun; returns the ids that are ours.
-- KEYS  stream
-- ARGV  group, consumer, number of this try (0: not begun, only held), then ids
-- Only what is still ours: a consumer that was taken for dead must not take its entries back. XCLAIM drops entries that
-- were deleted, so those are left as they are.
local ours = {}
for i = 4, #ARGV do
  local held = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1, ARGV[2])
  if #held == 1 then
    ours[#ours + 1] = ARGV[i]
    if #redis.call('XRANGE', KEYS[1], ARGV[i], ARGV[i]) == 1 then
      if ARGV[3] == '0' then
        redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'JUSTID')
      else
        redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'RETRYCOUNT', ARGV[3], 'JUSTID')
      end
    end
  end
end
return ours
