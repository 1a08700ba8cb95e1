"""Answer sheets: one outcome, all levers ranked, with simultaneous intervals."""
