-- Only what was stored after a block: parts are named partition_first_last_level by the blocks in them, and whole parts
-- are passed over by their name.
toUInt64OrZero(splitByChar('_', _part)[3]) > {after:UInt64}
