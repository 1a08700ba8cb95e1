"""Which question of a wave is which of an earlier one, where names, levels or order changed."""
