-- How often each pair opened and closed in each process and pool, and which keys are open: its capability, its
-- baseline and the remainder that reaches the judge, in one pass. A key is open when its newest opener is unanswered
-- and older than the grace, by its pair's open_if; keys only, facts are fetched for the few that remain.
-- Conditions on the pair are asked of the groups: they are six times fewer than the rows.
WITH counted AS
(
    -- Begins and ends are told apart by span, because telemetry may be delivered twice. Costly, and for few pairs.
    -- An excuse answers the openers of its statement (and, if it gives a reason, of that name only).
    SELECT dialect, pair, instance, key,
           groupUniqArrayIf((span_id, at, name, statement), role = 'open') AS opened,
           groupUniqArrayIf((reason, statement), role = 'excuse') AS excuses,
           arrayCount(o -> hasAny(excuses, [(o.3, o.4), ('', o.4)]), opened) AS excused
    FROM connection_signals
    WHERE at >= fromUnixTimestamp64Nano({since:Int64}) AND at <= fromUnixTimestamp64Nano({until:Int64})
      AND (dialect, pair) IN {by_count:Array(Tuple(String, String))} AND (dialect, pair, version) IN {pairs:Array(Tuple(String, String, UInt16))}
    GROUP BY dialect, pair, instance, key
    HAVING length(opened) > uniqExactIf((span_id, at), role = 'close') + excused
),
uncovered AS
(
    -- Where the closer spans the whole hold, an opener outside every closer is of a hold that nothing closed.
    SELECT dialect, pair, instance, key
    FROM connection_signals
    WHERE at >= fromUnixTimestamp64Nano({since:Int64}) AND at <= fromUnixTimestamp64Nano({until:Int64})
      AND (dialect, pair) IN {by_cover:Array(Tuple(String, String))} AND (dialect, pair, version) IN {pairs:Array(Tuple(String, String, UInt16))}
    GROUP BY dialect, pair, instance, key
    HAVING countIf(role = 'open') > 0 AND arrayExists(o -> NOT arrayExists(c -> c.1 <= o.1 AND o.2 <= c.2, groupUniqArrayIf((started, at), role = 'close')), groupUniqArrayIf((started, at), role = 'open'))
)
-- Closers beyond the openers of their key are stray: those that came without a trace share one key. A key that has
-- notes only was not taken from anywhere. The pool of a key is what its openers and closers say, if they do.
SELECT service, instance, dialect, pair, pool, countIf(has_open OR has_close) AS keys, countIf(has_open AND has_close) AS closed,
       sum(if(closes > opens, closes - opens, 0)) AS stray,
       sum(acquires) AS acquired, toUnixTimestamp64Nano(min(first)) AS first_ns, toUnixTimestamp64Nano(max(last)) AS last_ns,
       groupArrayIf({limit:UInt32})(key, is_open) AS open_keys
FROM
(
    SELECT any(s.service) AS service, instance, dialect, pair, key,
           maxIf(s.pool, role != 'note') AS said_pool, if(said_pool != '', said_pool, max(s.pool)) AS pool,
           countIf(role = 'open') AS opens, countIf(role = 'close') AS closes, opens > 0 AS has_open, closes > 0 AS has_close,
           countIf(signal = 'acquired') AS acquires, min(at) AS first, max(at) AS last,
           maxIf(at, role != 'note') AS last_sign, maxIf(at, role = 'open') AS opened,
           has_open AND last_sign <= fromUnixTimestamp64Nano({until:Int64} - {grace:Int64}) AND opened > maxIf(at, role = 'pin')
           AND (
               opened > maxIf(at, role = 'close') AND (dialect, pair) IN {by_last:Array(Tuple(String, String))}
               OR NOT has_close AND (dialect, pair) IN {by_none:Array(Tuple(String, String))}
               OR (dialect, pair, instance, key) IN (SELECT dialect, pair, instance, key FROM counted)
               OR (dialect, pair, instance, key) IN (SELECT dialect, pair, instance, key FROM uncovered)
           ) AS is_open
    FROM connection_signals AS s
    WHERE s.at >= fromUnixTimestamp64Nano({since:Int64}) AND s.at <= fromUnixTimestamp64Nano({until:Int64})
    GROUP BY dialect, pair, version, instance, key
    HAVING (dialect, pair, version) IN {pairs:Array(Tuple(String, String, UInt16))}
)
GROUP BY service, instance, dialect, pair, pool
ORDER BY service, instance, dialect, pair, pool
