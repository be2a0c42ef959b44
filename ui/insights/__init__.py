"""The parts of the Feedback page that say what ratings add up to."""
