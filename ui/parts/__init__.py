"""The parts that two pages or more use."""
