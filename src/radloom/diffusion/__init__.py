"""Any-to-any: frontal view, lateral view and report of a study from whichever of them are there."""
