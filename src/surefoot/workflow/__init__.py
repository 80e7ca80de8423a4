"""Steps, effects, workflows, maps, runs and their resume."""
