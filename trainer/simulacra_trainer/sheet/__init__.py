"""Answer sheets: the effects of many levers on one outcome, with simultaneous intervals."""
