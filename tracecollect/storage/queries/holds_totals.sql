-- How often each pair opened and closed in each process and pool, and which keys are open: its capability, its
-- baseline and the remainder that reaches the judge, in one pass. A key is open when its newest opener is unanswered
-- by its pair's open_if. Those older than the grace are named; facts are fetched for the few that remain.
-- Whole minutes of the window are read as connection_keys tells them, its first and last one signal by signal.
-- Conditions on the pair are asked of the groups: they are fewer than the rows. Keys are taken in ranges of their ids:
-- a key takes some 350 bytes of memory while it is looked at, and a day may have tens of millions.
-- Compared with a DateTime, parts whose times all lie in the second before it would not be read (ClickHouse 26.9).
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
      AND role IN ('open', 'close', 'excuse') AND {key_id} BETWEEN {lowest:UInt64} AND {highest:UInt64}
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
      AND role IN ('open', 'close') AND {key_id} BETWEEN {lowest:UInt64} AND {highest:UInt64}
    GROUP BY dialect, pair, instance, key
    HAVING countIf(role = 'open') > 0 AND arrayExists(o -> NOT arrayExists(c -> c.1 <= o.1 AND o.2 <= c.2, groupUniqArrayIf((started, at), role = 'close')), groupUniqArrayIf((started, at), role = 'open'))
)
-- Closers beyond the openers of their key are stray: those that came without a trace share one key. A key that has
-- notes only was not taken from anywhere. The pool of a key is what its openers and closers say, if they do.
SELECT service, instance, dialect, pair, pool, countIf(has_open OR has_close) AS keys, countIf(has_open AND has_close) AS closed,
       sum(if(closes > opens, closes - opens, 0)) AS stray,
       sum(acquires) AS acquired, toUnixTimestamp64Nano(min(first)) AS first_ns, toUnixTimestamp64Nano(max(last)) AS last_ns,
       groupArrayIf({limit:UInt32})(key, is_open AND sign <= fromUnixTimestamp64Nano({until:Int64} - {grace:Int64})) AS open_keys,
       countIf(is_open AND sign <= fromUnixTimestamp64Nano({until:Int64})) AS held
FROM
(
    SELECT any(k.service) AS service, any(k.instance) AS instance, any(k.dialect) AS dialect, any(k.pair) AS pair, any(k.version) AS version, any(k.key) AS key,
           max(k.said_pool) AS said_pool, if(said_pool != '', said_pool, max(k.noted_pool)) AS pool,
           sum(k.opens) AS opens, sum(k.closes) AS closes, opens > 0 AS has_open, closes > 0 AS has_close,
           sum(k.acquires) AS acquires, min(k.first_at) AS first, max(k.last_at) AS last, max(k.opened_at) AS opened, max(k.sign_at) AS sign,
           has_open AND opened > max(k.pinned_at)
           AND (
               opened > max(k.closed_at) AND (dialect, pair) IN {by_last:Array(Tuple(String, String))}
               OR NOT has_close AND (dialect, pair) IN {by_none:Array(Tuple(String, String))}
               OR (dialect, pair, instance, key) IN (SELECT dialect, pair, instance, key FROM counted)
               OR (dialect, pair, instance, key) IN (SELECT dialect, pair, instance, key FROM uncovered)
           ) AS is_open
    FROM
    (
        SELECT * FROM connection_keys
        WHERE minute >= toDateTime({first_minute:UInt32}) AND minute < toDateTime({last_minute:UInt32})
          AND id BETWEEN {lowest:UInt64} AND {highest:UInt64}
        UNION ALL
        {key_minutes}
        WHERE at >= fromUnixTimestamp64Nano({since:Int64}) AND at <= fromUnixTimestamp64Nano({until:Int64})
          AND (at < toDateTime64({first_minute:UInt32}, 9) OR at >= toDateTime64({last_minute:UInt32}, 9))
          AND {key_id} BETWEEN {lowest:UInt64} AND {highest:UInt64}
        GROUP BY service, instance, dialect, version, pair, key, minute
    ) AS k
    GROUP BY k.id
    HAVING (dialect, pair, version) IN {pairs:Array(Tuple(String, String, UInt16))}
)
GROUP BY service, instance, dialect, pair, pool
ORDER BY service, instance, dialect, pair, pool
