-- What was last said of each finding.
SELECT id, argMax(finding, at) AS finding FROM findings GROUP BY id ORDER BY id
