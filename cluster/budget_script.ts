// The bucket of a budget in the store: the generic cell rate algorithm (ITU-T I.371), by the store's own clock.

/**
 * KEYS: the bucket. ARGV: the interval in microseconds, the burst, how many requests are wanted (0 to only look), and
 * how many have passed already without the store.
 * Answers: how many are granted, after how many microseconds one more would be, and when the bucket is full again.
 *
 * The stored number is the time at which the bucket is full, in microseconds since 2026, so that a double has room for
 * nanoseconds. What is no such number counts as a full bucket. A time too far ahead counts as an empty one: the clock
 * was set back.
 */
export const budgetScript = `
local time = redis.call('TIME')
local now = (time[1] - 1767225600) * 1000000 + time[2]
local interval, burst, want, spent = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local fill = interval * (burst + 1)
local full = tonumber(redis.pcall('GET', KEYS[1])) or now
if not (full > now) then full = now end
full = math.min(full + spent * interval, now + fill)
local granted = math.min(want, math.max(0, math.floor((now + fill - full + 0.01) / interval)))
full = full + granted * interval
if granted + spent > 0 then
  redis.call('SET', KEYS[1], string.format('%.17g', full), 'PX', math.ceil((full - now) / 1000) + 1000)
end
return { granted, math.ceil(math.max(0, full + interval - now - fill)), math.ceil(full - now) }
`;
