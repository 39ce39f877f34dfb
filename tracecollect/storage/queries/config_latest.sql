-- The settings of the last start.
SELECT setting, argMax(value, at) AS value
FROM config_audit
GROUP BY setting
ORDER BY setting
