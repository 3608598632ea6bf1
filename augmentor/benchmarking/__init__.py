"""Does it help: arms, classifiers, folds by patient, and what may be concluded."""
