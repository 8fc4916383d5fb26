"""Reports: sections, cleaning, the rule-based labeller of the 14 observations, question synthesis."""
