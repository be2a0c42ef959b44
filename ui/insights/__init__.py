"""The parts of the Feedback page: figures, answers with charts, predictions, CSV files."""
