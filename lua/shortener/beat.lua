#!lua flags=allow-oom
-- Publishes a beat where changes of links are published. A script, so that a replica refuses it: what is heard from one proves
-- nothing. It needs no memory, so a full one does not refuse it.
-- ARGV[1]  channel
-- ARGV[2]  the beat
-- Returns 1
redis.call('PUBLISH', ARGV[1], ARGV[2])
return 1
