-- Forget a consumer that has nothing pending: XGROUP DELCONSUMER would drop what it has, without a word.
-- KEYS  stream
-- ARGV  group, consumer
if #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2]) > 0 then return 0 end
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
return 1
