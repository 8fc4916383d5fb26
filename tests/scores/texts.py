"""Made-up reports of which pycocoevalcap's scores are known."""

REFERENCES = [
    "the heart is normal in size . the lungs are clear . no pleural effusion is seen .",
    "mild cardiomegaly . no focal consolidation pneumothorax or effusion .",
    "lungs are hyperinflated with flattened diaphragms .",
]
HYPOTHESES = [
    "the heart is normal in size . lungs are clear . there is no pleural effusion .",
    "the heart is mildly enlarged . no pneumothorax or effusion .",
    "normal chest",
]
