-- The id of a signal's key. Two of ten million keys share one once in 400,000 stores.
cityHash64(dialect, pair, version, instance, key)
